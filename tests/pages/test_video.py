"""Films are played back with an independent reader."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from itportrait.errors import InvalidArgumentError
from itportrait.pages import encode_mp4, encode_webp
from itportrait.pages.video import film_rate


def ramp(count=6, height=48, width=64):
    """Gray frames that brighten with time, so that order and values can be checked."""
    frames = np.empty((count, height, width, 3), np.uint8)
    frames[:] = (np.arange(count) * 30 + 40)[:, None, None, None]
    return frames


def test_mp4_plays_back_in_order_as_h264_yuv420p():
    frames = ramp()
    data = encode_mp4(frames, fps=12)
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert float(stream.average_rate) == 12
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert np.abs(np.stack(shown).astype(int) - frames).max() <= 6
    assert data.index(b"moov") < data.index(b"mdat")  # the index in front: plays while it loads


@pytest.mark.parametrize("count", [2, 5, 36])
def test_mp4_of_few_frames_lasts_three_seconds(count):
    frames, fps = film_rate(ramp(count))
    with av.open(io.BytesIO(encode_mp4(frames, fps=fps))) as container:
        stream = container.streams.video[0]
        assert stream.duration * stream.time_base == 3
        assert stream.average_rate == fps


def test_mp4_crops_odd_sizes_and_repeats_its_bytes():
    frames = ramp(height=33, width=47)
    data = encode_mp4(frames)
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (46, 32)
    assert encode_mp4(frames) == data


def test_webp_is_an_endless_animation():
    picture = Image.open(io.BytesIO(encode_webp(ramp(), fps=20)))
    assert picture.n_frames == 6
    assert picture.info["loop"] == 0
    picture.seek(5)
    assert np.asarray(picture.convert("RGB")).mean() == pytest.approx(190, abs=3)


@pytest.mark.parametrize("encoder", [encode_mp4, encode_webp])
@pytest.mark.parametrize(
    "frames",
    [np.zeros((0, 4, 4, 3), np.uint8), np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 4, 3))],
)
def test_films_refuse_what_is_not_frames(encoder, frames):
    with pytest.raises(InvalidArgumentError, match="frames"):
        encoder(frames)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 36, 48, 72, 200])
def test_films_last_three_seconds_or_have_24_frames_each(count):
    frames = np.arange(count, dtype=np.uint8)[:, None, None, None].repeat(3, 3)
    shown, fps = film_rate(frames)
    assert len(shown) / fps == max(3, Fraction(count, 24))
    np.testing.assert_array_equal(shown[:count], frames)
    assert len(shown) % count == 0
