"""Encode frames as a film, H.264 for players or animated WebP for pages; others write the bytes."""

import io
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from itportrait.errors import InvalidArgumentError

SHORTEST_S, FASTEST = 3, 24
"""Least seconds of a film of ours, and most frames per second."""


def film_rate(frames: np.ndarray) -> tuple[np.ndarray, Fraction]:
    """Return a film that lasts long enough to be looked at: its frames, and how many a second.

    Up to 72 frames last 3 seconds, and more of them longer, at 24 a second.

    Args:
        frames: `[T, H, W, 3]`; fewer than one for each second are shown several times.
    """
    times = -(-SHORTEST_S // max(len(frames), 1))
    frames = np.concatenate([frames] * times) if times > 1 else frames
    return frames, min(Fraction(FASTEST), Fraction(len(frames), SHORTEST_S))


def encode_mp4(frames: np.ndarray, *, fps: int | Fraction = 24, crf: int = 18) -> bytes:
    """Encode H.264 in MP4, yuv420p, with the index in front, as every browser and phone plays it.

    Args:
        frames: `[T, H, W, 3]` uint8; an odd height or width loses its last row or column, because
            4:2:0 chroma needs even sizes.
        fps: frames per second.
        crf: quality, 0 (lossless) to 51.

    Raises:
        InvalidArgumentError: not uint8 `[T, H, W, 3]`, or no frame.
    """
    _check(frames)
    height, width = (side // 2 * 2 for side in frames.shape[1:3])
    options = {"movflags": "+faststart"}
    with tempfile.TemporaryDirectory() as folder:  # moving the index in front needs a real file
        path = Path(folder) / "film.mp4"
        with av.open(path, "w", format="mp4", options=options) as container:
            stream = container.add_stream("libx264", rate=fps, options={"crf": str(crf)})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.thread_count = 1  # the same bytes on every machine
            for pixels in frames:
                picture = np.ascontiguousarray(pixels[:height, :width])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        return path.read_bytes()


def encode_webp(frames: np.ndarray, *, fps: int | Fraction = 24, quality: int = 80) -> bytes:
    """Encode an endless animated WebP.

    Args:
        frames: `[T, H, W, 3]` uint8.
        fps: frames per second (rounded to whole milliseconds a frame).
        quality: 0 to 100.

    Raises:
        InvalidArgumentError: not uint8 `[T, H, W, 3]`, or no frame.
    """
    _check(frames)
    first, *rest = [Image.fromarray(pixels) for pixels in frames]
    buffer = io.BytesIO()
    first.save(
        buffer,
        format="WEBP",
        save_all=True,
        append_images=rest,
        duration=round(1000 / fps),
        loop=0,
        quality=quality,
    )
    return buffer.getvalue()


def _check(frames: np.ndarray) -> None:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not len(frames):
        raise InvalidArgumentError(
            "frames",
            expected="uint8 of shape [T >= 1, H, W, 3]",
            actual=f"{frames.dtype} {list(frames.shape)}",
        )
