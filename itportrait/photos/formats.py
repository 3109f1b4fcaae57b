"""The table of picture formats: which names can mean a picture, and what opens each format.

A file's name only says whether it is an input. What decodes it is told by its content: a PNG that
is named `photo.jpg` is read as PNG.
"""

import importlib
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

_EXPORT = "convert it to JPEG, PNG or TIFF"
_DEVELOP = "develop it to JPEG or TIFF, for instance with darktable or `dcraw -T`"
_RASTERIZE = "render it to PNG"


@dataclass(frozen=True)
class PictureFormat:
    """One kind of picture file."""

    name: str
    """Name that people know the format by."""
    suffixes: tuple[str, ...]
    """Endings of file names, in lower case and without the dot."""
    decoder: str = ""
    """Pillow's name of the decoder; "" for formats that are not opened."""
    plugin: str = ""
    """Module with a decoder for Pillow, where Pillow itself has none."""
    remedy: str = ""
    """What users can do with a file that is not opened."""
    marks: tuple[tuple[int, bytes], ...] = ()
    """Offsets and bytes by which the content tells the format: of a file that no decoder opens."""

    def matches(self, data: bytes) -> bool:
        """Return whether the first bytes of a file are those of this format."""
        return any(data[start : start + len(mark)] == mark for start, mark in self.marks)


def _brands(names: str) -> tuple[tuple[int, bytes], ...]:
    """Return the marks of ISO media files whose main brand is one of `names`."""
    return tuple((4, b"ftyp" + name.encode()) for name in names.split())


RAW = PictureFormat(
    "camera raw",
    (
        "dng", "cr2", "cr3", "crw", "nef", "nrw", "arw", "sr2", "srf", "orf", "rw2", "raf",
        "pef", "srw", "x3f", "3fr", "fff", "iiq", "kdc", "dcr", "mrw", "erf", "mos", "raw",
    ),
    remedy=_DEVELOP,
    marks=(
        (8, b"CR\x02"), (4, b"ftypcrx "), (0, b"FUJIFILMCCD-RAW"), (0, b"IIRO"), (0, b"MMOR"),
        (0, b"IIRS"), (0, b"IIU\0"), (0, b"FOVb"), (0, b"\0MRM"), (6, b"HEAPCCDR"),
    ),
)  # fmt: skip

FORMATS = (
    PictureFormat(
        "JPEG", ("jpg", "jpeg", "jpe", "jfif", "jfi", "jif", "mpo"), "JPEG",
        marks=((0, b"\xff\xd8\xff"),),
    ),
    PictureFormat("PNG", ("png", "apng"), "PNG", marks=((0, b"\x89PNG"),)),
    PictureFormat("GIF", ("gif",), "GIF", marks=((0, b"GIF8"),)),
    PictureFormat("WebP", ("webp",), "WEBP", marks=((8, b"WEBP"),)),
    PictureFormat("AVIF", ("avif", "avifs"), "AVIF", marks=_brands("avif avis")),
    PictureFormat("BMP", ("bmp",), "BMP", marks=((0, b"BM"),)),
    PictureFormat("TIFF", ("tif", "tiff"), "TIFF", marks=((0, b"II*\0"), (0, b"MM\0*"))),
    PictureFormat(
        "JPEG 2000",
        ("jp2", "j2k", "jpx", "jpf", "jpc", "j2c"),
        "JPEG2000",
        marks=((4, b"jP  "), (0, b"\xff\x4f\xff\x51")),
    ),
    PictureFormat(
        "Netpbm", ("ppm", "pgm", "pbm", "pnm"), "PPM",
        marks=tuple((0, b"P%d\n" % number) for number in range(1, 7)),
    ),
    PictureFormat("ICO", ("ico",), "ICO", marks=((0, b"\0\0\1\0"),)),
    PictureFormat("DIB", ("dib",), "DIB"),
    PictureFormat(
        "HEIC",
        ("heic", "heif", "hif", "heics", "heifs"),
        decoder="HEIF",
        plugin="pillow_heif",
        remedy="install the decoder with `pip install 'itportrait[heif]'`, or convert it to JPEG",
        marks=_brands("heic heix heim heis hevc hevx hevm hevs mif1 msf1"),
    ),
    # TGA has no mark, so that nearly any bytes may be one: it is tried last.
    PictureFormat("TGA", ("tga",), "TGA"),
    # From here on: formats that are recognized and not opened. PostScript and PDF would start
    # another program, and of the others Pillow shows a preview at most.
    RAW,
    PictureFormat("Photoshop", ("psd", "psb"), remedy=_EXPORT, marks=((0, b"8BPS"),)),
    PictureFormat("GIMP", ("xcf",), remedy=_EXPORT, marks=((0, b"gimp xcf"),)),
    PictureFormat(
        "JPEG XL",
        ("jxl",),
        remedy="convert it with `djxl photo.jxl photo.png`",
        marks=((0, b"\xff\x0a"), (0, b"\0\0\0\x0cJXL \r\n\x87\n")),
    ),
    PictureFormat("JPEG XR", ("jxr", "wdp", "hdp"), remedy=_EXPORT, marks=((0, b"II\xbc"),)),
    PictureFormat("OpenEXR", ("exr",), remedy=_EXPORT, marks=((0, b"v/1\x01"),)),
    PictureFormat("Radiance HDR", ("hdr",), remedy=_EXPORT, marks=((0, b"#?RA"), (0, b"#?RG"))),
    PictureFormat("QOI", ("qoi",), remedy=_EXPORT, marks=((0, b"qoif"),)),
    PictureFormat("DDS", ("dds",), remedy=_EXPORT, marks=((0, b"DDS "),)),
    PictureFormat("ICNS", ("icns",), remedy=_EXPORT, marks=((0, b"icns"),)),
    PictureFormat("PCX", ("pcx",), remedy=_EXPORT),
    PictureFormat("SVG", ("svg", "svgz"), remedy=_RASTERIZE, marks=((0, b"<svg"),)),
    PictureFormat("PDF", ("pdf",), remedy=_RASTERIZE, marks=((0, b"%PDF"),)),
    PictureFormat(
        "PostScript",
        ("eps", "ps"),
        remedy=_RASTERIZE,
        marks=((0, b"%!PS"), (0, b"\xc5\xd0\xd3\xc6")),
    ),
)  # fmt: skip
"""Every format that an input may have, in the order in which decoders are tried."""

_BY_SUFFIX = {suffix: kind for kind in FORMATS for suffix in kind.suffixes}
SUFFIXES = tuple(_BY_SUFFIX)
"""Endings of names that can mean a picture. Formats that are not opened are among them: such a file
is an input whose row says how to convert it."""
PATTERNS = tuple(f"*.{suffix}" for suffix in SUFFIXES)
"""File names that count as photos in a folder, in either case. A file that is named itself always
counts."""


def format_of_name(name: str) -> PictureFormat | None:
    """Return the format that a file name or URI claims by its suffix, or None if it claims none."""
    stem, _, suffix = name.rpartition("/")[2].rpartition(".")
    return _BY_SUFFIX.get(suffix.lower()) if stem else None


def format_of_content(data: bytes) -> PictureFormat | None:
    """Return the format of a file that no decoder here has opened, or None for unknown bytes.

    Args:
        data: the first bytes of the file; 1024 are enough.
    """
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith((b"<?xml", b"<!--", b"<!DOCTYPE svg")) and b"<svg" in head:
        return _BY_SUFFIX["svg"]
    found = [kind for kind in FORMATS if kind.matches(data) or kind.matches(head)]
    # Camera raws begin as TIFF does.
    return next((kind for kind in found if not kind.decoder), found[0] if found else None)


@lru_cache(maxsize=1)
def decoders() -> tuple[str, ...]:
    """Return Pillow's names of the decoders that may be used here: a closed list.

    Pillow alone would also try formats that start other programs (EPS with Ghostscript).
    """
    Image.init()
    for kind in FORMATS:
        if kind.plugin:
            _register(kind.plugin)
    return tuple(kind.decoder for kind in FORMATS if kind.decoder in Image.OPEN)


def _register(plugin: str) -> None:
    """Make Pillow know the decoder of `plugin`, where that is installed and can be loaded."""
    try:
        module = importlib.import_module(plugin)
    except ImportError:  # an extra; its files become rows that say how to install it
        return
    # Thumbnails, depth maps and other pictures of the container are never looked at.
    module.register_heif_opener(
        thumbnails=False, depth_images=False, aux_images=False, decode_threads=1
    )
