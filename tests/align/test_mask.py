"""Masks of crops: what lies beyond the photo, and what a mask that came along hides."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from itportrait.align import AlignConfig, Aligner
from itportrait.align.mask import CROP_POINTS
from itportrait.image import encode
from itportrait.records import Source, Status

WIDTH, HEIGHT, SIDE = 300, 240, 160
LEFT_TOP = np.array([100.0, 40.0])
POINTS = LEFT_TOP + CROP_POINTS * SIDE
"""Of a face whose crop lies inside of the photo as a whole."""
BAR = (slice(120, 150), slice(150, 200))
"""Rows and columns of the photo that something covers."""


def photo():
    pixels = np.random.default_rng(0).integers(60, 120, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    pixels[BAR] = (255, 0, 255)
    return pixels


def bar_mask(width=WIDTH, height=HEIGHT):
    values = np.full((HEIGHT, WIDTH), 255, np.uint8)
    values[BAR] = 0
    return Image.fromarray(values).resize((width, height))


def saved(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def source(mask=None, points=POINTS):
    given = None if mask is None else Source(uri="p.mask.png", data=mask)
    return Source(uri="p.png", data=encode(photo()), landmarks=points, mask=given)


def align(item, **settings):
    # The detector is never asked where landmarks are given.
    aligner = Aligner(AlignConfig(size=128, **settings), None)
    (row,) = aligner.align(item)
    return row


def test_a_crop_inside_of_its_photo_has_no_mask():
    row = align(source())
    assert row.status is Status.OK
    assert (row.mask, row.mask_sha256, row.hidden) == (None, None, None)


@pytest.mark.parametrize(("axis", "move"), [(0, -160), (0, 130), (1, -90), (1, 110)])
def test_what_lies_beyond_the_photo_is_hidden(axis, move):
    points = POINTS.copy()
    points[:, axis] += move
    row = align(source(points=points), min_visible=0)
    assert row.status is Status.OK
    assert row.mask.shape == (128, 128)
    assert (row.mask > 127).mean() == pytest.approx(row.visible, abs=0.01)
    assert row.pixels[row.mask == 0].max() == 0
    assert row.pixels[row.mask == 255].max(-1).min() > 30
    assert row.hidden is None  # no mask was given


def test_a_given_mask_is_cut_as_the_photo_is():
    row = align(source(saved(bar_mask())))
    bar = (row.pixels[..., 0] > 180) & (row.pixels[..., 1] < 40)
    assert bar.sum() > 500
    assert row.mask[bar].max() < 100
    assert (row.mask > 240).sum() + bar.sum() == pytest.approx(128**2, rel=0.03)
    assert 0.02 < row.hidden < 0.4
    plain = align(source())
    np.testing.assert_array_equal(row.pixels, plain.pixels)
    for name in ("landmarks", "camera", "crop", "sha256", "covered", "sharpness"):
        np.testing.assert_array_equal(getattr(row, name), getattr(plain, name))


def masks_of_other_kinds():
    mask = bar_mask()
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by a quarter clockwise
    layer = Image.new("RGBA", mask.size, (255, 255, 255, 0))
    layer.paste((255, 255, 255, 255), mask=mask)
    return {
        "RGB": saved(mask.convert("RGB")),
        "RGB as JPEG": saved(mask.convert("RGB"), "JPEG", quality=95),
        "white on transparent": saved(layer),
        "gray with alpha": saved(mask.convert("LA")),
        "two levels": saved(mask.convert("1")),
        "16 bits": saved(Image.fromarray(np.asarray(mask).astype(np.uint16) * 257)),
        "palette": saved(mask.convert("P")),
        "turned by Exif": saved(mask.transpose(Image.Transpose.ROTATE_90), exif=turned),
        "half the size": saved(bar_mask(WIDTH // 2, HEIGHT // 2)),
        "a rounded size": saved(bar_mask(113, 90)),
    }


@pytest.mark.parametrize("kind", masks_of_other_kinds())
def test_masks_may_be_of_any_kind_and_size(kind):
    plain = align(source(saved(bar_mask())))
    row = align(source(masks_of_other_kinds()[kind]))
    assert row.status is Status.OK
    difference = np.abs(row.mask.astype(int) - plain.mask)
    assert difference.mean() < (6 if "size" in kind else 0.5)


def colors():
    return saved(Image.fromarray(photo()))


BAD = {
    "colors": (colors, "failed", "bad_mask", "gray picture, white (255).*channels differ"),
    "0 and 1": (
        lambda: saved(Image.fromarray(np.asarray(bar_mask()) // 255)),
        "failed",
        "bad_mask",
        "no pixel brighter than 1; multiply",
    ),
    "another aspect": (
        lambda: saved(bar_mask(HEIGHT, WIDTH)),
        "failed",
        "bad_mask",
        "the aspect of the photo, 300 x 240 pixels .* got 240 x 300",
    ),
    "cut": (lambda: saved(bar_mask())[:-40], "failed", "bad_mask", "mask p.mask.png: "),
    "no bytes": (lambda: b"", "failed", "bad_mask", "the file has no bytes"),
    "all black": (
        lambda: saved(Image.new("L", (WIDTH, HEIGHT))),
        "rejected",
        "hidden_by_mask",
        "hides 100% of the face, at most 90%",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_mask_that_is_none_gives_a_row_with_its_reason(kind):
    made, status, reason, message = BAD[kind]
    row = align(source(made()))
    assert (str(row.status), row.error.type) == (status, reason)
    pattern = message.replace("(255)", r"\(255\)")
    assert re.search(pattern, row.error.message), row.error.message
    assert row.pixels is None


def test_a_mask_that_is_gone_gives_a_row_that_names_it(tmp_path):
    item = replace(source(), mask=Source(uri=f"{tmp_path}/gone.mask.png"))
    row = align(item)
    assert (row.status, row.error.type) == (Status.FAILED, "storage")
    assert "gone.mask.png" in row.error.message


def test_the_threshold_of_hidden_faces_is_a_setting():
    row = align(source(saved(bar_mask())), max_hidden=0.01)
    assert (str(row.status), row.error.type) == ("rejected", "hidden_by_mask")
    assert row.hidden > 0.01
    assert "max_hidden" not in AlignConfig().model_dump_json()  # fingerprints stay as they were


def test_ids_follow_from_the_masks_content():
    white = saved(Image.new("L", (WIDTH, HEIGHT), 255))
    rows = [align(source(mask)) for mask in (None, saved(bar_mask()), white)]
    again = align(replace(source(saved(bar_mask())), uri="elsewhere.png"))
    assert len({row.record_id for row in rows}) == 3
    assert again.record_id == rows[1].record_id
    assert again.mask_sha256 == rows[1].mask_sha256 != rows[2].mask_sha256
    assert rows[2].mask is None  # it hides nothing
    assert rows[2].hidden == 0
