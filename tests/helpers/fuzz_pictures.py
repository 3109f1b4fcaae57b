"""Decode damaged pictures, in a process of its own.

    python -m tests.helpers.fuzz_pictures {pictures,profiles} SEED COUNT

Prints JSON: how many were decoded or refused, the slowest, and the memory taken. A crash, a hang or
an error other than the documented one ends the process with another code than 0.
"""

import faulthandler
import io
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator

import numpy as np
from PIL import Image, PngImagePlugin

from itportrait.errors import DecodeError
from itportrait.photos.colors import to_srgb, was_converted
from itportrait.photos.decoding import decode_picture
from itportrait.photos.formats import decoders
from tests.helpers.icc import SPACES, cmyk_profile, gray_profile, rgb_profile
from tests.helpers.mutations import mutations

MAX_PIXELS = 4_000_000
HANG_S = 60


def good_files() -> list[bytes]:
    """Return small pictures of every format, with profiles, EXIF, texts, alpha and frames."""
    return list(_files())


def _files() -> Iterator[bytes]:
    x, y = np.meshgrid(np.linspace(20, 220, 40), np.linspace(40, 200, 30))
    photo = Image.fromarray(np.stack([x, y, 128 + 0 * x], 2).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A camera"
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "a note " * 50, zip=True)
    notes.add_itxt("Title", "ä note", zip=True)
    wide = {"icc_profile": rgb_profile("Display P3"), "exif": exif}
    adobe = {"icc_profile": rgb_profile("Adobe RGB (1998)"), "exif": exif}
    frames = {"save_all": True, "append_images": [photo.rotate(90, expand=False)]}
    alpha = photo.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(photo.size))
    gray, deep = photo.convert("L"), Image.fromarray((x * 257).astype(np.uint16))
    inks = photo.convert("CMYK")
    decoders()
    for image, kind, options in (
        (photo, "JPEG", {"quality": 90, **wide}),
        (photo, "JPEG", {"progressive": True, "comment": b"a note"}),
        (gray, "JPEG", {"icc_profile": gray_profile(1.8)}),
        (inks, "JPEG", {"icc_profile": cmyk_profile()}),
        (photo, "MPO", frames),
        (photo, "PNG", {**wide, "pnginfo": notes}),
        (photo, "PNG", frames),
        (deep, "PNG", {"icc_profile": gray_profile(2.2)}),
        (alpha, "PNG", adobe),
        (photo.quantize(16), "PNG", {"transparency": 3}),
        (photo, "GIF", frames),
        (photo, "WEBP", {**wide, "lossless": True}),
        (alpha, "WEBP", {"quality": 80, "save_all": True, "append_images": [alpha]}),
        (photo, "AVIF", wide),
        (alpha, "HEIF", {"quality": 60, **wide}),
        (photo, "BMP", {}),
        (photo.quantize(16), "BMP", {}),
        (photo, "TIFF", {"compression": "tiff_lzw", **wide}),
        (deep, "TIFF", {"compression": "tiff_adobe_deflate"}),
        (inks, "TIFF", {"compression": "packbits", "icc_profile": cmyk_profile()}),
        (photo, "TIFF", {"compression": "jpeg", **frames}),
        (photo.convert("YCbCr"), "TIFF", {}),
        (photo, "JPEG2000", {}),
        (alpha, "JPEG2000", {"no_jp2": True}),
        (photo, "PPM", {}),
        (gray.convert("1"), "PPM", {}),
        (alpha, "TGA", {"compression": "tga_rle"}),
        (alpha.resize((32, 32)), "ICO", {"sizes": [(32, 32), (16, 16)]}),
        (alpha.resize((32, 32)), "ICO", {"sizes": [(32, 32)], "bitmap_format": "bmp"}),
        (photo, "DIB", {}),
    ):
        buffer = io.BytesIO()
        # Copies, since each encoder leaves its settings in a picture.
        if "append_images" in options:
            options = {**options, "append_images": [f.copy() for f in options["append_images"]]}
        image.copy().save(buffer, kind, **options)
        yield buffer.getvalue()


def decode(data: bytes) -> str:
    """Decode a damaged file and return what came of it."""
    try:
        pixels = decode_picture(data, MAX_PIXELS).pixels
    except DecodeError as error:
        return str(error).partition(":")[0].partition(";")[0]
    assert pixels.dtype == np.uint8, pixels.dtype
    assert pixels.ndim == 3, pixels.shape
    assert pixels.shape[2] == 3, pixels.shape
    return "decoded"


def convert(profile: bytes) -> str:
    """Convert small pictures by a damaged profile and return what came of it."""
    notes = set()
    for mode in ("RGB", "L", "CMYK"):
        image, colors = to_srgb(Image.linear_gradient("L").resize((8, 8)).convert(mode), profile)
        assert (image.mode, image.size) == ("RGB", (8, 8)), (image.mode, image.size)
        notes.add(was_converted(colors.note))
    return "converted" if True in notes else "ignored"


def main(what: str, seed: int, count: int) -> None:
    """Decode `count` damaged `pictures`, or convert by as many damaged `profiles`."""
    profiles = [rgb_profile(name) for name in SPACES] + [gray_profile(1.8), cmyk_profile()]
    files, judge = (good_files(), decode) if what == "pictures" else (profiles, convert)
    for data in files:
        judge(data)
    before = _memory_mb()
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    for data in mutations(files, count, seed):
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        start = time.perf_counter()
        outcomes[judge(data)] += 1
        slowest = max(slowest, time.perf_counter() - start)
        faulthandler.cancel_dump_traceback_later()
    grown = _memory_mb() - before
    print(json.dumps({"outcomes": outcomes, "slowest_s": slowest, "grown_mb": grown}))


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
