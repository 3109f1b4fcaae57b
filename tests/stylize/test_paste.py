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


HAIR, SKIN, WALL, CLOTH = (90, 60, 40), (220, 180, 160), (150, 160, 175), (40, 90, 60)
STYLED_HAIR, STYLED_SKIN, STYLED_WALL = (190, 40, 40), (240, 240, 250), (60, 200, 90)
CROP, SIDE = np.array([90, 80, 120]), 300


def person(hair, skin, wall, cloth=CLOTH):
    """Draw a head of hair with a face, on a neck, before a shaded wall, with some grain."""
    y, x = np.mgrid[:SIDE, :SIDE]
    pixels = np.empty((SIDE, SIDE, 3))
    pixels[:] = wall
    pixels += (0.06 * (x - SIDE / 2) + 0.04 * (y - SIDE / 2))[..., None]
    pixels[(y > 235) & (np.abs(x - 150) < 95)] = cloth
    pixels[(y > 170) & (y <= 240) & (np.abs(x - 150) < 24)] = skin
    pixels[((x - 150) / 58) ** 2 + ((y - 120) / 72) ** 2 < 1] = hair
    pixels[((x - 150) / 40) ** 2 + ((y - 140) / 50) ** 2 < 1] = skin
    grain = np.random.default_rng(1).normal(0, 2, (SIDE, SIDE, 1))
    return (pixels + grain).clip(0, 255).round().astype(np.uint8)


def pasted_person():
    """Return a photo, and it with a styled view, whose head's hair ends above the crop."""
    photo = person(HAIR, SKIN, WALL)
    left, top, side = CROP
    styled = person(STYLED_HAIR, STYLED_SKIN, STYLED_WALL, cloth=(20, 20, 20))
    view = styled[top : top + side, left : left + side]
    head = np.ones((16, 16), np.float32)
    return photo, paste_back(photo, np.ascontiguousarray(view), CROP, head=head)


def box_step(photo, made):
    """Return the largest jump of the change of colors across the crop's upper border and sides, in
    levels, among those pieces of it that have one color on both sides in the photo.

    The lower border crosses the neck, where the change fades past it."""
    left, top, side = map(int, CROP)
    change, plain = made.astype(float) - photo, photo.astype(float)
    depth, width, piece = int(0.15 * side), 6, 8
    inner, outer = slice(depth, depth + width), slice(-width, 0)
    steps = []
    for start in range(0, side - piece, piece):
        along = slice(start, start + piece)
        pairs = [
            ((moved(inner, top), moved(along, left)), (moved(outer, top), moved(along, left))),
            ((moved(along, top), moved(inner, left)), (moved(along, top), moved(outer, left))),
        ]
        right = left + side
        far = slice(right - depth - width, right - depth), slice(right, right + width)
        pairs.append(((moved(along, top), far[0]), (moved(along, top), far[1])))
        for inside, outside in pairs:
            if np.abs(mean(plain, inside) - mean(plain, outside)).max() < 12:
                steps.append(np.abs(mean(change, inside) - mean(change, outside)).max())
    assert len(steps) >= 6
    return max(steps)


def moved(part, by):
    return slice(part.start + by, part.stop + by)


def mean(picture, part):
    return picture[part].mean((0, 1))


def test_no_box_shows_where_the_view_has_another_background_and_the_hair_goes_on():
    """The render says that all of the crop is head, as it does of photos unlike those it knows."""
    photo, made = pasted_person()
    assert box_step(photo, made) < 25
    left, top, side = CROP
    window = np.zeros((300, 300, 1))
    window[top + 18 : top + side - 18, left + 18 : left + side - 18] = 1
    boxed = photo + window * (np.array(STYLED_HAIR) - np.array(HAIR))
    assert box_step(photo, boxed) > 60


def test_hair_past_the_crop_has_the_colors_of_the_style_and_its_own_texture():
    photo, made = pasted_person()
    above = (slice(54, 72), slice(135, 165))
    np.testing.assert_allclose(made[above].mean((0, 1)), STYLED_HAIR, atol=25)
    assert made[above].std(0).mean() == pytest.approx(photo[above].std(0).mean(), rel=0.5)
    np.testing.assert_allclose(made[140, 150], STYLED_SKIN, atol=6)


def test_the_background_stays():
    photo, made = pasted_person()
    y, x = np.mgrid[:300, :300]
    wall = (((x - 150) / 66) ** 2 + ((y - 120) / 80) ** 2 > 1) & (y < 165)
    assert np.abs(made[wall].astype(int) - photo[wall]).mean() < 1
    far = (np.abs(x - 150) > 140) | (y < 5)
    np.testing.assert_array_equal(made[far], photo[far])


def lit_face(hair, skin, wall):
    """Draw a face in the middle of much hair, with a little grain; return the face's ellipse too:
    1 on its outline, more outside."""
    y, x = np.mgrid[:SIDE, :SIDE]
    face = ((x - 150) / 26) ** 2 + ((y - 140) / 34) ** 2
    pixels = np.empty((SIDE, SIDE, 3))
    pixels[:] = wall
    pixels[np.hypot(x - 150, y - 130) < 62] = hair
    pixels[face < 1] = skin
    pixels[y > 188] = CLOTH
    grain = np.random.default_rng(1).normal(0, 0.7, (SIDE, SIDE, 1))
    return (pixels + grain).clip(0, 255).round().astype(np.uint8), face


def test_no_cloud_of_color_lies_around_a_face_whose_hair_is_as_dark_as_the_wall():
    """Nothing parts hair from wall in the photo: only the face, which has an edge, changes."""
    dark = (18, 16, 14)
    photo, face = lit_face(dark, SKIN, dark)
    styled, _ = lit_face(STYLED_HAIR, STYLED_SKIN, STYLED_WALL)
    left, top, side = CROP
    view = np.ascontiguousarray(styled[top : top + side, left : left + side])
    made = paste_back(photo, view, CROP, head=np.ones((16, 16), np.float32))
    change = np.abs(made.astype(int) - photo).max(-1)
    assert change[:165][face[:165] > 2].max() < 12  # 172, and 13 in the mean, with hair and wall
    np.testing.assert_allclose(made[face < 0.5].mean(0), STYLED_SKIN, atol=6)


def test_a_face_at_the_photo_s_edge_has_no_seam_there():
    photo, _ = pasted_person()
    part = np.ascontiguousarray(photo[95:, 105:])
    crop = CROP - (105, 95, 0)
    left, top, side = CROP
    styled = person(STYLED_HAIR, STYLED_SKIN, STYLED_WALL)
    view = np.ascontiguousarray(styled[top : top + side, left : left + side])
    made = paste_back(part, view, crop, head=np.ones((8, 8), np.float32))
    np.testing.assert_allclose(made[1, 40:50].mean(0), STYLED_SKIN, atol=6)


@pytest.mark.parametrize("scale", [0.25, 3])
def test_large_and_small_photos_are_pasted_alike(scale):
    photo, made = pasted_person()
    side = round(300 * scale)
    other = np.asarray(Image.fromarray(photo).resize((side, side), Image.Resampling.BICUBIC))
    left, top, width = CROP
    styled = person(STYLED_HAIR, STYLED_SKIN, STYLED_WALL, cloth=(20, 20, 20))
    view = np.ascontiguousarray(styled[top : top + width, left : left + width])
    found = paste_back(other, view, CROP * scale, head=np.ones((16, 16), np.float32))
    same = np.asarray(Image.fromarray(found).resize((300, 300), Image.Resampling.BICUBIC))
    assert np.abs(same.astype(int) - made).mean() < 5


def test_a_head_that_is_no_mask_is_refused():
    with pytest.raises(InvalidArgumentError, match=r"head must be \[h, w\] of finite values"):
        paste_back(noise(9, 9), noise(4, 4), np.array([0, 0, 9]), head=np.full((2, 2), np.nan))


@pytest.mark.parametrize("value", [-0.5, 255])
def test_a_head_outside_of_its_range_is_refused(value):
    head = np.ones((8, 8), np.float32)
    head[0, 0] = value
    with pytest.raises(InvalidArgumentError, match=r"head must be .* in \[0, 1\], got values from"):
        paste_back(noise(9, 9), noise(4, 4), np.array([0, 0, 9]), head=head)


@pytest.mark.parametrize("crop", [[0, 0, 9], [4, 4, 9]])
def test_a_head_that_shows_nowhere_is_refused(crop):
    """Faint, or in the part of the crop that lies past the photo: nothing would be pasted."""
    head = np.full((8, 8), 0.05, np.float32)
    head[6:, 6:] = crop[0] / 4
    with pytest.raises(
        InvalidArgumentError, match="head must be seen somewhere in the part of the crop"
    ):
        paste_back(noise(9, 9), noise(4, 4), np.array(crop), head=head)
