"""Pictures that are damaged, or made to take much: a DecodeError or pixels, and nothing else."""

import io
import json
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from itportrait.errors import DecodeError
from itportrait.photos.decoding import decode_picture
from tests.conftest import REPOSITORY
from tests.helpers.icc import rgb_profile

SEEDS = [(0, 600), pytest.param(1, 10_000, marks=pytest.mark.slow)]


def fuzz(what, seed, count):
    command = [sys.executable, "-m", "tests.helpers.fuzz_pictures", what, str(seed), str(count)]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    found = json.loads(result.stdout)
    assert sum(found["outcomes"].values()) == count
    assert found["slowest_s"] < 30
    return found


@pytest.mark.parametrize(("seed", "count"), SEEDS)
def test_damaged_profiles_convert_or_count_as_none(seed, count):
    found = fuzz("profiles", seed, count)
    assert set(found["outcomes"]) == {"converted", "ignored"}
    assert found["grown_mb"] < 256


@pytest.mark.parametrize(("seed", "count"), SEEDS)
def test_damaged_files_end_as_pixels_or_as_a_decode_error(seed, count):
    found = fuzz("pictures", seed, count)
    assert found["outcomes"]["decoded"] > count / 10
    # A picture of four million pixels takes 16 MB a copy.
    assert found["grown_mb"] < 256


def png(width=20, height=10, **options):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (10, 200, 30)).save(buffer, "PNG", **options)
    return buffer.getvalue()


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


NOTES = {
    "large profile": chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(1_500_000))),
    "profile that inflates to 200 MB": chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(200_000_000))),
    "text that inflates to 200 MB": chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(200_000_000))),
    "many texts": 100 * chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(1_000_000))),
    "empty profile": chunk(b"iCCP", b""),
    "empty gamma": chunk(b"gAMA", b""),
    "damaged checksum of a text": chunk(b"tEXt", b"a\0b")[:-1] + b"\0",
}


@pytest.mark.parametrize("name", NOTES)
def test_notes_of_a_png_cost_no_photo(name):
    whole = png()
    picture = decode_picture(whole[:33] + NOTES[name] + whole[33:])
    assert (picture.pixels == (10, 200, 30)).all()
    ignored = "profile ignored: the file's notes are damaged"
    assert picture.colors.note == (ignored if "profile" in name else None)


def test_what_is_wrong_with_the_picture_itself_is_what_the_error_says():
    whole = png(icc_profile=rgb_profile("Display P3"))
    at = whole.index(b"IDAT") + 10
    with pytest.raises(DecodeError, match=r"corrupt|truncated"):
        decode_picture(whole[:at] + b"\xff" * 9 + whole[at + 9 :])


def test_transparency_outlives_damaged_notes():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=1)
    whole = buffer.getvalue()
    data = whole[:33] + NOTES["empty profile"] + whole[33:]
    assert decode_picture(data).pixels.tolist() == [[[10, 20, 30], [255, 255, 255]]]


@pytest.mark.parametrize("kind", ["PNG", "DIB"])
def test_an_icon_is_as_large_as_the_picture_in_it(kind):
    inner = png(3000, 3000)
    if kind == "DIB":
        inner = struct.pack("<IiiHHIIiiII", 40, 3000, 6000, 1, 32, 0, 0, 0, 0, 0, 0)
    entry = struct.pack("<BBBBHHII", 32, 32, 0, 0, 1, 32, len(inner), 22)
    with pytest.raises(DecodeError, match=r"too large: 3000 x [36]000 pixels"):
        decode_picture(struct.pack("<HHH", 0, 1, 1) + entry + inner, max_pixels=4_000_000)


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_a_header_that_names_a_smaller_picture_buys_no_memory(kind):
    buffer = io.BytesIO()
    Image.new("RGB", (3000, 3000), (10, 200, 30)).save(buffer, kind)
    data = buffer.getvalue()
    at = data.index(b"ispe") + 8
    claimed = data[:at] + struct.pack(">II", 64, 64) + data[at + 8 :]
    try:
        pixels = decode_picture(claimed, max_pixels=4_000_000).pixels
    except DecodeError:
        return
    assert pixels.shape == (64, 64, 3)


def test_sixteen_bit_pictures_take_little_memory():
    import tracemalloc

    buffer = io.BytesIO()
    Image.fromarray(np.zeros((3000, 3000), np.uint16)).save(buffer, "PNG")
    tracemalloc.start()
    decode_picture(buffer.getvalue())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 9_000_000
