"""Pasting back: where the view lands to the pixel, and that no color moves."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from itportrait.errors import InvalidArgumentError
from itportrait.image import decode, encode
from itportrait.stylize import color_profile, paste_back


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_outside_is_the_photo_inside_is_the_view():
    photo, view = noise(100, 120), noise(40, 40, 1)
    made = paste_back(photo, view, np.array([30, 20, 40]), feather=0.2)
    outside = np.ones((100, 120), bool)
    outside[20:60, 30:70] = False
    np.testing.assert_array_equal(made[outside], photo[outside])
    np.testing.assert_array_equal(made[28:52, 38:62], view[8:32, 8:32])
    assert made is not photo


def test_the_edge_is_soft():
    photo, view = np.zeros((60, 60, 3), np.uint8), np.full((10, 10, 3), 200, np.uint8)
    line = paste_back(photo, view, np.array([10, 10, 40]), feather=0.25)[30, :, 0].astype(int)
    rise = line[10:20]
    assert (np.diff(rise) > 0).all()
    assert rise[0] < 8
    assert rise[-1] > 190
    # Half-way at half of the feather: pixels 14 and 15 lie on both sides of it.
    assert (rise[4] + rise[5]) / 2 == pytest.approx(100, abs=1)
    np.testing.assert_array_equal(line[10:50], line[10:50][::-1])


@pytest.mark.parametrize("size", [64, 37, 400])
def test_a_mark_lands_where_the_crop_says_at_any_scale(size):
    view = np.zeros((size, size, 3), np.uint8)
    at = slice(round(0.5 * size), round(0.75 * size))
    view[at, at] = 255
    left, top, side = 12.3, 7.8, 80.0
    made = paste_back(np.zeros((120, 120, 3), np.uint8), view, np.array([left, top, side]))
    share = made[..., 0].astype(float)
    share /= share.sum()
    middle = (at.start + at.stop) / 2 / size
    x = (share.sum(0) * (np.arange(120) + 0.5)).sum()
    y = (share.sum(1) * (np.arange(120) + 0.5)).sum()
    assert (x, y) == pytest.approx((left + middle * side, top + middle * side), abs=0.5)


def test_a_crop_past_the_border_is_cut_there():
    photo, view = noise(50, 50), noise(60, 60, 1)
    made = paste_back(photo, view, np.array([-20, 10, 60]), feather=0.1)
    np.testing.assert_array_equal(made[20:50, 0:30], view[10:40, 20:50])
    np.testing.assert_array_equal(made[:10], photo[:10])
    np.testing.assert_array_equal(made[:, 40:], photo[:, 40:])


def test_no_soft_edge_where_the_crop_ends_past_the_photo():
    photo, view = noise(50, 50), noise(40, 40, 1)
    made = paste_back(photo, view, np.array([-2, -3, 40]), feather=0.25)
    np.testing.assert_array_equal(made[:27, :28], view[3:30, 2:30])
    assert (made[30:37, :38] != view[33:40, 2:40]).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"photo": np.zeros((9, 9))}, r"photo must be uint8 of shape \[H, W, 3\], got float64"),
        ({"view": np.zeros((4, 5, 3), np.uint8)}, "view must be square"),
        ({"crop": np.array([0, 0, -1])}, "crop must be left, top and a positive side"),
        ({"crop": np.array([0, np.nan, 9])}, "crop must be"),
        ({"crop": np.array([200, 0, 9])}, "over the photo of 50 x 50 pixels.*upright"),
        ({"feather": 0.0}, r"feather must be in \(0, 0.5\]"),
    ],
)
def test_misuse_says_what_to_do(change, message):
    values = {"photo": noise(50, 50), "view": noise(9, 9), "crop": np.array([1, 1, 20])}
    options = {**values, **change}
    with pytest.raises(InvalidArgumentError, match=message):
        paste_back(options.pop("photo"), options.pop("view"), options.pop("crop"), **options)


def test_color_profile_goes_along_where_the_values_are_still_in_it():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()

    def saved(profile):
        buffer = io.BytesIO()
        Image.new("RGB", (4, 4)).save(buffer, "JPEG", icc_profile=profile)
        return buffer.getvalue()

    assert color_profile(saved(srgb)) == srgb
    assert color_profile(saved(lab)) is None
    assert color_profile(saved(None)) is None
    assert color_profile(b"no picture") is None
    data = encode(noise(4, 4), profile=srgb)
    assert color_profile(data) == srgb
    np.testing.assert_array_equal(decode(data), noise(4, 4))


def disk(side, radius):
    y, x = np.mgrid[:side, :side] + 0.5
    return ((x - side / 2) ** 2 + (y - side / 2) ** 2 < radius**2).astype(np.float32)


def test_around_the_head_the_photo_stays():
    photo, view = noise(100, 120), noise(40, 40, 1)
    made = paste_back(photo, view, np.array([30, 20, 40]), head=disk(20, 5))
    around = disk(40, 13) == 0
    np.testing.assert_array_equal(made[20:60, 30:70][around], photo[20:60, 30:70][around])
    assert (made[35:45, 45:55] != photo[35:45, 45:55]).any()


def test_no_box_shows_where_the_two_backgrounds_differ():
    """The head runs over the crop's lower edge, as a neck does, and has another color."""
    photo = np.full((120, 120, 3), (150, 160, 170), np.uint8)
    view = np.full((64, 64, 3), (90, 160, 60), np.uint8)
    head = np.ones((16, 16), np.float32)
    crop = np.array([20, 20, 80])
    made = paste_back(photo, view, crop, head=head).astype(int)
    plain = paste_back(photo, view, crop).astype(int)
    steps = np.abs(np.diff(made, axis=0)).max()
    assert steps < np.abs(np.diff(plain, axis=0)).max()
    # Near the seam the photo's colors, in the middle those of the style.
    np.testing.assert_allclose(made[25, 60], photo[25, 60], atol=8)
    np.testing.assert_allclose(made[60, 60], view[32, 32], atol=3)


def test_a_crop_past_the_border_has_no_seam_there():
    photo, view = np.full((50, 50, 3), 200, np.uint8), np.full((40, 40, 3), 80, np.uint8)
    made = paste_back(photo, view, np.array([-2, -3, 40]), head=np.ones((8, 8), np.float32))
    assert (made[:8, :8] <= 82).all()
    assert (made[34, :30] > 150).all()


def test_a_head_that_is_no_mask_is_refused():
    with pytest.raises(InvalidArgumentError, match=r"head must be \[h, w\] of finite values"):
        paste_back(noise(9, 9), noise(4, 4), np.array([0, 0, 9]), head=np.full((2, 2), np.nan))


@pytest.mark.parametrize("crop", [[0, 0, 9], [4, 4, 9]])
def test_a_head_that_shows_nowhere_is_refused(crop):
    """Faint, or in the part of the crop that lies past the photo: nothing would be pasted."""
    head = np.full((8, 8), 0.05, np.float32)
    head[6:, 6:] = crop[0] / 4
    with pytest.raises(
        InvalidArgumentError, match="head must be seen somewhere in the part of the crop"
    ):
        paste_back(noise(9, 9), noise(4, 4), np.array(crop), head=head)
