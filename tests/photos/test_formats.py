"""The table of picture formats: names that are inputs, decoders that are allowed, advice."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from itportrait.errors import DecodeError
from itportrait.photos.decoding import decode_photo
from itportrait.photos.formats import FORMATS, PATTERNS, SUFFIXES, decoders, format_of_name
from itportrait.photos.tables import bytes_column

# What each suffix is written as, and what an encoder may change of a smooth picture.
OPENED = {
    **dict.fromkeys(("jpg", "jpeg", "jpe", "jfif", "jif"), ("JPEG", {"quality": 95}, 6)),
    "mpo": ("MPO", {"quality": 95, "save_all": True}, 6),
    **dict.fromkeys(("heic", "heif", "hif"), ("HEIF", {"quality": -1, "chroma": 444}, 2)),
    **dict.fromkeys(("jp2", "j2k", "jpx", "jpf", "jpc", "j2c"), ("JPEG2000", {}, 0)),
    **dict.fromkeys(("ppm", "pnm"), ("PPM", {}, 0)),
    "avif": ("AVIF", {"quality": 100, "subsampling": "4:4:4"}, 6),
    "webp": ("WEBP", {"lossless": True}, 0),
    "gif": ("GIF", {}, 40),
    "png": ("PNG", {}, 0),
    "apng": ("PNG", {"save_all": True}, 0),
    "bmp": ("BMP", {}, 0),
    "dib": ("DIB", {}, 0),
    "tif": ("TIFF", {}, 0),
    "tiff": ("TIFF", {"compression": "tiff_lzw"}, 0),
    "tga": ("TGA", {"compression": "tga_rle"}, 0),
    "ico": ("ICO", {"sizes": [(64, 64), (16, 16)]}, 0),
}
FOREIGN = {
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "PDF": b"%PDF-1.7\n",
    "SVG": b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "Photoshop": b"8BPS\0\1" + bytes(30),
    "JPEG XL": b"\xff\x0a" + bytes(30),
    "camera raw": b"II*\0\x10\0\0\0CR\x02\0" + bytes(30),
    "QOI": b"qoif" + bytes(30),
}


@pytest.fixture(scope="module")
def photo():
    x, y = np.meshgrid(np.linspace(20, 220, 64), np.linspace(40, 200, 64))
    return Image.fromarray(np.stack([x, y, 128 + 0 * x], 2).astype(np.uint8))


def encoded(image, kind, **options):
    decoders()  # registers plugins, whose encoders are used here
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", OPENED)
def test_formats_that_pillow_or_its_plugins_know_are_opened(photo, suffix):
    kind, options, tolerance = OPENED[suffix]
    pixels = decode_photo(encoded(photo, kind, **options))
    difference = np.abs(pixels.astype(int) - np.asarray(photo).astype(int)).max()
    assert difference <= tolerance
    assert f"*.{suffix}" in PATTERNS
    assert suffix in SUFFIXES


def test_every_suffix_of_an_opened_format_is_shown_to_open():
    shown = {OPENED[suffix][0] for suffix in OPENED}
    assert {kind.decoder for kind in FORMATS if kind.decoder} <= shown | {"PPM"}


@pytest.mark.parametrize("bits", ["P1\n2 1\n1 0\n", "P2\n2 1\n255\n0 255\n"])
def test_the_family_of_netpbm(bits):
    assert decode_photo(bits.encode())[0, :, 0].tolist() == [0, 255]


def test_the_largest_icon_is_taken(photo):
    data = encoded(photo, "ICO", sizes=[(16, 16), (48, 48), (32, 32)])
    assert decode_photo(data).shape == (48, 48, 3)


@pytest.mark.parametrize("name", FOREIGN)
def test_other_formats_say_what_to_do(name):
    (kind,) = (kind for kind in FORMATS if kind.name == name)
    with pytest.raises(DecodeError) as error:
        decode_photo(FOREIGN[name])
    assert str(error.value) == f"not a picture: {name} files are not opened here; {kind.remedy}"


def test_postscript_starts_no_other_program():
    assert not {"EPS", "PSD", "WMF", "PDF"} & set(decoders())


@pytest.mark.parametrize(
    ("name", "format_name"),
    [("a/b.JPG", "JPEG"), ("x.tar#0.HeIc", "HEIC"), ("k.nef", "camera raw"),
     ("a.b.j2k", "JPEG 2000"), ("photo.txt", None), ("jpg", None),
     ("folder.jpg/readme", None), (".png", None), ("", None)],
)  # fmt: skip
def test_format_of_a_name(name, format_name):
    kind = format_of_name(name)
    assert (kind and kind.name) == format_name


def test_suffixes_are_told_once():
    assert len(SUFFIXES) == sum(len(kind.suffixes) for kind in FORMATS)
    assert all(suffix == suffix.lower() and suffix.isalnum() for suffix in SUFFIXES)


def test_every_format_is_opened_or_says_what_to_do():
    assert all(kind.decoder or kind.remedy for kind in FORMATS)


def test_columns_of_tables_follow_the_table():
    import pyarrow as pa

    for suffix in SUFFIXES:
        assert bytes_column(pa.schema([("id", pa.string()), (suffix, pa.binary())])) == suffix
    both = pa.schema([("heic", pa.binary()), ("png", pa.binary()), ("jpg", pa.binary())])
    assert bytes_column(both) == "jpg"


def test_without_the_plugin_a_photo_says_what_to_install(photo, tmp_path):
    path = tmp_path / "photo.heic"
    path.write_bytes(encoded(photo, "HEIF"))
    code = (
        "import sys; sys.modules['pillow_heif'] = None\n"  # what Python sees without the package
        "from itportrait.photos.decoding import decode_photo\n"
        f"decode_photo(open({str(path)!r}, 'rb').read())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 1
    assert "HEIC files are not opened here; install the decoder with `pip install" in result.stderr
    assert "itportrait[heif]" in result.stderr
