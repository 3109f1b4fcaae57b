"""Decoding of foreign pictures: every common kind to upright 8-bit RGB, else an error."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from itportrait.errors import DecodeError
from itportrait.photos.decoding import decode_photo

WIDTH, HEIGHT = 40, 30


@pytest.fixture(scope="module")
def photo():
    """A smooth picture whose corners differ, so that every orientation shows."""
    x, y = np.meshgrid(np.linspace(20, 220, WIDTH), np.linspace(40, 200, HEIGHT))
    return Image.fromarray(np.stack([x, y, 128 + 0 * x], 2).astype(np.uint8))


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def difference(pixels, image):
    return np.abs(pixels.astype(int) - np.asarray(image.convert("RGB")).astype(int)).max()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF", "JPEG", "PPM", "JPEG2000"])
def test_formats_are_told_by_content(photo, kind):
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    pixels = decode_photo(encoded(photo, kind, **options))
    assert pixels.dtype == np.uint8
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert difference(pixels, photo) <= {"GIF": 40, "JPEG": 6}.get(kind, 0)


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "YCbCr"])
def test_modes(photo, mode):
    converted = photo.convert(mode) if mode != "P" else photo.quantize(256)
    kind = "TIFF" if mode in ("CMYK", "YCbCr") else "PNG"
    pixels = decode_photo(encoded(converted, kind))
    assert difference(pixels, converted) <= (3 if mode == "YCbCr" else 0)


def test_cmyk_jpeg(photo):
    assert difference(decode_photo(encoded(photo.convert("CMYK"), "JPEG", quality=95)), photo) < 12


@pytest.mark.parametrize("value", [0, 257, 128 * 257, 65535])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_divided_by_257(value, kind):
    image = Image.fromarray(np.full((4, 5), value, np.uint16))
    np.testing.assert_array_equal(decode_photo(encoded(image, kind)), value // 257)


def test_sixteen_bit_color():
    """A 48-bit PNG, written by hand: Pillow cannot."""

    def chunk(name, body):
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    row = b"\0" + struct.pack(">6H", 65535, 0, 257 * 100, 0, 65535, 257 * 7)
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row))
        + chunk(b"IEND", b"")
    )
    assert decode_photo(data).tolist() == [[[255, 0, 100], [0, 255, 7]]]


def test_transparent_pixels_lie_over_white():
    image = Image.new("RGBA", (2, 1))
    image.putdata([(10, 20, 30, 255), (10, 20, 30, 0)])
    assert decode_photo(encoded(image)).tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_palette_with_a_transparent_color():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    data = encoded(image, "PNG", transparency=1)
    assert decode_photo(data).tolist() == [[[10, 20, 30], [255, 255, 255]]]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF"])
def test_first_frame_of_an_animation(photo, kind):
    black = Image.new("RGB", photo.size)
    data = encoded(
        photo,
        kind,
        save_all=True,
        append_images=[black],
        **({"lossless": True} if kind == "WEBP" else {}),
    )
    assert difference(decode_photo(data), photo) <= (40 if kind == "GIF" else 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(photo, orientation):
    # What a camera held so stores: the inverse of what the tag asks a viewer to do.
    stored = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = photo.transpose(stored[orientation]) if orientation in stored else photo
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert difference(decode_photo(encoded(image, "PNG", exif=exif)), photo) == 0


def test_damaged_exif_counts_as_none(photo):
    data = encoded(photo, "JPEG", quality=95, exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    assert difference(decode_photo(data), photo) <= 6


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"hello", "not a picture"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(500), "corrupt: a damaged JPEG file of 510 bytes"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "corrupt: a damaged PNG file of 48 bytes"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "corrupt: a damaged HEIC file of 52 bytes"),
        (b"photos/a.jpg", "the text 'photos/a.jpg', which names a file"),
        (b"s3://b/c?sig=1", r"the text 's3://b/c\?sig=\*\*\*', which names a file"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
    ],
)
def test_what_is_no_picture(data, message):
    with pytest.raises(DecodeError, match=message):
        decode_photo(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files(kind, share):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(DecodeError):
        decode_photo(data[: int(len(data) * share)])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_damaged_bytes_never_raise_anything_else(photo, kind):
    data, rng = bytearray(encoded(photo, kind)), np.random.default_rng(1)
    for _ in range(60):
        damaged = data.copy()
        for place in rng.integers(0, len(data), 8):
            damaged[place] = rng.integers(0, 256)
        try:
            pixels = decode_photo(bytes(damaged), max_pixels=10**6)
        except DecodeError:
            continue
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3


def test_pixel_limit_is_checked_before_decoding():
    bomb = encoded(Image.new("1", (12_000, 12_000)))
    assert len(bomb) < 100_000
    with pytest.raises(DecodeError, match=r"12000 x 12000 pixels, the limit is 80000000"):
        decode_photo(bomb)
    with pytest.raises(DecodeError, match="too large"):
        decode_photo(encoded(Image.new("1", (20_000, 20_000))), max_pixels=10**9)


@pytest.mark.parametrize(
    "array", [np.full((3, 3), 0.5, np.float32), np.full((3, 3), 70000, np.int32)]
)
def test_values_without_an_agreed_range(array):
    with pytest.raises(DecodeError, match="no agreed range"):
        decode_photo(encoded(Image.fromarray(array), "TIFF"))


@pytest.mark.parametrize("tags", [{254: 1}, {50706: b"\x01\x04\0\0"}])
def test_previews_of_raw_files_are_no_photos(photo, tags):
    info = ImageFileDirectory_v2()
    for tag, value in tags.items():
        info[tag] = value
    with pytest.raises(DecodeError, match="camera raw files are not opened here; develop it"):
        decode_photo(encoded(photo, "TIFF", tiffinfo=info))


def test_pages_of_a_scan_are_pictures(photo):
    info = ImageFileDirectory_v2()
    info[254] = 2
    assert difference(decode_photo(encoded(photo, "TIFF", tiffinfo=info)), photo) == 0
