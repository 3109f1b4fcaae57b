"""Color profiles: foreign spaces become sRGB, sRGB stays untouched, bad profiles count as none."""

import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage import data

from itportrait.photos.colors import CONVERTED, MAX_PROFILE_BYTES, from_srgb, was_converted
from itportrait.photos.decoding import decode_photo, decode_picture
from tests.helpers.icc import cmyk_profile, gray_profile, in_space, rgb_profile

WIDE = ("Display P3", "Adobe RGB (1998)", "ProPhoto RGB")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


@pytest.fixture(scope="module")
def photo():
    """Half a face, half every hue of sRGB at its strongest and paler."""
    pixels = data.astronaut()[:256, 100:356].copy()
    hues, values = np.meshgrid(np.arange(128) * 2, np.arange(256))
    wheel = np.dstack([hues, 255 - values, np.full_like(hues, 230)]).astype(np.uint8)
    pixels[:, 128:] = np.asarray(Image.fromarray(wheel, "HSV").convert("RGB"))
    return pixels


def encoded(pixels, kind="PNG", **options):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def written_in(photo, space, kind="PNG", **options):
    """Return a file of the photo in another space, with that space's profile."""
    values = (in_space(photo, space) * 255).round().astype(np.uint8)
    return encoded(values, kind, icc_profile=rgb_profile(space), **options)


def decibels(pixels, other):
    return 10 * np.log10(255**2 / np.mean((pixels.astype(float) - other) ** 2))


@pytest.mark.parametrize("space", WIDE)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "HEIF", "AVIF"])
def test_foreign_spaces_become_srgb(photo, space, kind):
    options = {
        "WEBP": {"lossless": True},
        "HEIF": {"quality": -1, "chroma": 444},
        "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    }
    picture = decode_picture(written_in(photo, space, kind, **options.get(kind, {})))
    assert decibels(picture.pixels, photo) >= (38 if kind in ("AVIF", "HEIF") else 45)
    assert picture.colors.note == CONVERTED + space
    unconverted = decode_picture(
        written_in(photo, space, kind, **options.get(kind, {})), convert_colors=False
    )
    assert decibels(unconverted.pixels, photo) < 33
    assert unconverted.colors.note is None


@pytest.mark.parametrize("profile", [SRGB, rgb_profile("sRGB IEC61966-2.1")])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_srgb_keeps_every_bit(photo, profile, kind):
    options = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    plain = encoded(photo, kind, **options)
    tagged = decode_picture(encoded(photo, kind, icc_profile=profile, **options))
    np.testing.assert_array_equal(tagged.pixels, decode_photo(plain))
    np.testing.assert_array_equal(tagged.pixels, np.asarray(Image.open(io.BytesIO(plain))))
    assert (tagged.colors.note, tagged.colors.outside) == (None, None)


def test_profiles_of_photos_as_they_are_found():
    """skimage's pictures: one with the common profile of sRGB, one in Adobe RGB."""
    folder = data.data_dir if hasattr(data, "data_dir") else data.__path__[0]
    with open(f"{folder}/astronaut.png", "rb") as file:
        common = decode_picture(file.read())
    np.testing.assert_array_equal(common.pixels, data.astronaut())
    assert common.colors.note is None
    with open(f"{folder}/rocket.jpg", "rb") as file:
        adobe = decode_picture(file.read())
    assert adobe.colors.note == "converted from Adobe RGB (1998)"
    assert 20 < decibels(adobe.pixels, data.rocket()) < 40


def test_transparent_pixels_lie_over_the_same_white(photo):
    values = (in_space(photo, "Display P3") * 255).round().astype(np.uint8)
    alpha = np.linspace(0, 255, photo.shape[1]).astype(np.uint8)[None].repeat(len(photo), 0)
    rgba = np.dstack([values, alpha])
    pixels = decode_photo(encoded(rgba, icc_profile=rgb_profile("Display P3")))
    wanted = decode_photo(encoded(np.dstack([photo, alpha])))
    assert decibels(pixels, wanted) >= 45
    assert (pixels[:, 0] == 255).all()


def test_palettes(photo):
    image = Image.fromarray(photo).quantize(64)
    palette = np.array(image.getpalette(), np.uint8).reshape(-1, 3)
    moved = image.copy()
    moved.putpalette((in_space(palette, "ProPhoto RGB") * 255).round().astype(np.uint8).tobytes())
    pixels = decode_photo(encoded(moved, icc_profile=rgb_profile("ProPhoto RGB")))
    assert decibels(pixels, np.asarray(image.convert("RGB"))) >= 45


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_gray(photo, mode):
    gray = np.asarray(Image.fromarray(photo).convert("L"))
    linear = np.where(
        gray / 255 <= 0.04045, gray / 255 / 12.92, ((gray / 255 + 0.055) / 1.055) ** 2.4
    )
    deep = linear ** (1 / 1.8) * 65535
    levels = (
        deep.round().astype(np.uint16) if mode == "I;16" else (deep / 257).round().astype(np.uint8)
    )
    if mode == "LA":
        levels = np.dstack([levels, np.full_like(levels, 255)])
    picture = decode_picture(encoded(levels, icc_profile=gray_profile(1.8)))
    assert picture.colors.note == "converted from Gray 1.8"
    assert decibels(picture.pixels, gray[..., None]) >= 45
    plain = decode_picture(encoded(levels), convert_colors=True)
    assert decibels(plain.pixels, gray[..., None]) < 35


def test_inks(photo):
    white, cyan = np.array([0, 0, 0, 0], np.uint8), np.array([255, 0, 0, 0], np.uint8)
    inks = Image.fromarray(np.stack([white, cyan])[None], "CMYK")
    picture = decode_picture(encoded(inks, "TIFF", icc_profile=cmyk_profile()))
    assert picture.colors.note == "converted from Sixteen inks"
    assert picture.colors.outside is None
    (paper, ink) = picture.pixels[0].astype(int)
    np.testing.assert_allclose(paper, 255, atol=2)
    np.testing.assert_allclose(ink, [124, 231, 255], atol=3)  # 0.2, 0.8 and 1, encoded as sRGB
    np.testing.assert_array_equal(
        decode_photo(encoded(inks, "TIFF"))[0, 1], np.asarray(inks.convert("RGB"))[0, 1]
    )


def test_lab():
    lab = Image.merge("LAB", [Image.new("L", (4, 4), value) for value in (135, 128, 128)])
    picture = decode_picture(encoded(lab, "TIFF"))
    assert picture.colors.note == "converted from CIELAB"
    np.testing.assert_allclose(picture.pixels, 126, atol=2)  # L* of 53 is middle gray


def test_share_of_colors_outside_of_srgb(photo):
    values = (in_space(photo, "Display P3") * 255).round().astype(np.uint8)
    values[:64] = (0, 255, 0)  # a green that no sRGB screen shows
    picture = decode_picture(encoded(values, icc_profile=rgb_profile("Display P3")))
    assert picture.colors.outside == pytest.approx(64 / 256, abs=0.005)
    inside = decode_picture(written_in(photo, "Display P3"))
    assert inside.colors.outside == pytest.approx(0, abs=0.002)


DAMAGED = {
    "cut": rgb_profile("Display P3")[:200],
    "garbage": b"\xff" * 500,
    "short": b"acsp",
    "damaged tags": rgb_profile("Display P3")[:132] + b"\xff" * 300,
    "named colors": rgb_profile("Display P3").replace(b"mntr", b"nmcl"),
    "lab": LAB,
    "inks": cmyk_profile(),
    "gray": gray_profile(1.8),
    "huge": SRGB + bytes(MAX_PROFILE_BYTES),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_bad_profiles_count_as_none(photo, name, kind):
    picture = decode_picture(encoded(photo, kind, icc_profile=DAMAGED[name]))
    np.testing.assert_array_equal(picture.pixels, decode_photo(encoded(photo, kind)))
    assert picture.colors.note is not None
    assert picture.colors.note.startswith("profile ignored: ")
    assert not was_converted(picture.colors.note)


def test_gray_photo_with_a_profile_of_rgb_stays_as_it_is(photo):
    gray = Image.fromarray(photo).convert("L")
    picture = decode_picture(encoded(gray, icc_profile=rgb_profile("Display P3")))
    np.testing.assert_array_equal(picture.pixels, decode_photo(encoded(gray)))
    assert picture.colors.note == "profile ignored: it is of RGB (mntr), the picture of GRAY"


def test_names_of_profiles_are_kept_short_and_printable(photo):
    profile = rgb_profile("Display P3").replace(b"Display P3", b"\x1b[31m\n\rP3")
    note = decode_picture(encoded(photo, icc_profile=profile)).colors.note
    assert note is not None
    assert note.isprintable()
    assert len(note) < 100


def test_a_view_joins_the_photos_colors_and_comes_back(photo):
    for space in WIDE:
        values = from_srgb(photo, rgb_profile(space))
        wanted = in_space(photo, space) * 255
        assert decibels(values, wanted) >= 45
    np.testing.assert_array_equal(from_srgb(photo, SRGB), photo)
    np.testing.assert_array_equal(from_srgb(photo, b"damaged"), photo)


def test_conversion_takes_no_more_than_a_few_pictures_of_memory():
    pixels = np.zeros((3000, 4000, 3), np.uint8)
    data = encoded(pixels, "TIFF", icc_profile=rgb_profile("ProPhoto RGB"))
    tracemalloc.start()
    decode_picture(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * pixels.nbytes
