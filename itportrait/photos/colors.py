"""Color profiles: read what a picture's values mean, and convert the picture to sRGB.

Models and pages take every value for sRGB. A photo in Display P3 or Adobe RGB that is read so is
pale, one in ProPhoto RGB dark and gray. LittleCMS converts it by the profile that it carries. Where
that profile is sRGB within rounding, as in most photos, nothing is touched. A profile that is
damaged, too large or of another color space than the picture counts as none: the pixels are whole,
and a note says so.
"""

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms

MAX_PROFILE_BYTES = 8 * 1024**2
"""Largest profile that is read; profiles of printers have 0.5 to 3 MB."""
CONVERTED = "converted from "
"""The notes of converted pictures begin with this word."""

_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab"}
_CLASSES = ("mntr", "scnr", "prtr", "spac")
"""Classes of profiles that describe a picture's values; the others link devices or name colors."""
_ROUNDING = 2
"""Largest difference, of 255, at which a profile counts as sRGB: those of different makers differ
by 1."""
_CLIPPED = 6
"""Difference, of 255, from which on a value that comes back was cut at the border of sRGB."""
_MEASURED_PIXELS = 250_000
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION


@dataclass(frozen=True)
class Conversion:
    """The transform from a profile to sRGB, and the one back where the profile has it."""

    name: str
    forth: ImageCms.ImageCmsTransform | None
    """The transform to sRGB; None where the profile is sRGB."""
    back: ImageCms.ImageCmsTransform | None = None


@dataclass(frozen=True)
class Colors:
    """How a picture's colors were treated."""

    note: str | None = None
    """A sentence for people: from which profile the picture was converted, or why its profile was
    ignored. None for sRGB."""
    outside: float | None = None
    """Share of pixels whose colors sRGB cannot show, so that they were cut; None if unknown."""


def profile_of(image: Image.Image) -> bytes:
    """Return the ICC profile that a picture carries, or b"" if it has none."""
    profile = image.info.get("icc_profile")
    return profile if isinstance(profile, bytes) else b""


def to_srgb(image: Image.Image, profile: bytes) -> tuple[Image.Image, Colors]:
    """Convert a picture to sRGB.

    Args:
        image: of mode RGB, L, CMYK or LAB.
        profile: ICC profile that says what its values mean; b"" if it has none.

    Returns:
        The picture in RGB, and what became of its colors.
    """
    if not profile and image.mode != "LAB":
        return image.convert("RGB"), Colors()
    found = _conversion(profile, image.mode)
    if isinstance(found, str):
        return _plain(image), Colors(f"profile ignored: {found}")
    if found.forth is None:
        return image.convert("RGB"), Colors()
    result = found.forth.apply(image)
    return result, Colors(CONVERTED + found.name, _outside(image, result, found))


def gray_curve(profile: bytes) -> tuple[np.ndarray | None, Colors]:
    """Return what a profile makes of gray values.

    Returns:
        `[256, 3]` sRGB values of the levels 0 to 255, or None where they stay as they are.
    """
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    result, colors = to_srgb(ramp, profile)
    if not was_converted(colors.note):
        return None, colors
    return np.asarray(result)[0].astype(np.float64), Colors(colors.note)


def from_srgb(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    """Convert sRGB pixels `[H, W, 3]` to the values that a profile of an RGB space gives them.

    Where the profile is sRGB, or counts as none, the pixels come back as they are.
    """
    found = _conversion(profile, "RGB")
    if isinstance(found, str) or found.back is None:
        return pixels
    return np.asarray(found.back.apply(Image.fromarray(pixels)))


def was_converted(note: str | None) -> bool:
    """Tell whether a note of `Colors` says that pixels were converted."""
    return note is not None and note.startswith(CONVERTED)


@lru_cache(maxsize=8)
def _conversion(profile: bytes, mode: str) -> Conversion | str:
    """Return the way to sRGB, or why there is none."""
    if len(profile) > MAX_PROFILE_BYTES:
        return f"{len(profile)} bytes, at most {MAX_PROFILE_BYTES} are read"
    srgb = ImageCms.createProfile("sRGB")
    try:
        if mode == "LAB" and not profile:
            lab = ImageCms.createProfile("LAB")
            return Conversion("CIELAB", _transform(lab, srgb, mode, "RGB"))
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        about: Any = given.profile
        space, kind = about.xcolor_space.strip(), about.device_class.strip()
        if kind not in _CLASSES or space != _SPACES[mode]:
            return f"it is of {space or 'no space'} ({kind}), the picture of {_SPACES[mode]}"
        forth = _transform(given, srgb, mode, "RGB")
        if _is_identity(forth, mode):
            return Conversion("sRGB", None)
        return Conversion(_name(about), forth, _way_back(given, srgb) if mode == "RGB" else None)
    # LittleCMS refuses damaged profiles with errors of many kinds.
    except Exception:
        return "it is damaged"


def _transform(
    given: ImageCms.ImageCmsProfile, wanted: ImageCms.ImageCmsProfile, mode: str, to_mode: str
) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(given, wanted, mode, to_mode, _INTENT, _FLAGS)


def _way_back(
    given: ImageCms.ImageCmsProfile, srgb: ImageCms.ImageCmsProfile
) -> ImageCms.ImageCmsTransform | None:
    try:
        return _transform(srgb, given, "RGB", "RGB")
    except ImageCms.PyCMSError:  # profiles of scanners have no way back
        return None


def _is_identity(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Tell whether a transform changes no color of a lattice by more than rounding."""
    if mode not in ("RGB", "L"):
        return False
    levels = np.linspace(0, 255, 18).astype(np.uint8)
    if mode == "L":
        values = np.arange(256, dtype=np.uint8)[None]
        wanted = np.repeat(values[..., None], 3, axis=2)
    else:
        wanted = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(18, -1, 3)
        values = wanted
    made = np.asarray(transform.apply(Image.fromarray(values)))
    return int(np.abs(made.astype(int) - wanted).max()) <= _ROUNDING


def _outside(image: Image.Image, result: Image.Image, found: Conversion) -> float | None:
    """Return the share of pixels that do not come back from sRGB, since they were cut there."""
    if found.back is None:
        return None
    step = max(1, round((image.width * image.height / _MEASURED_PIXELS) ** 0.5))
    given, cut = (np.asarray(picture)[::step, ::step] for picture in (image, result))
    back = np.asarray(found.back.apply(Image.fromarray(np.ascontiguousarray(cut))))
    off = np.abs(back.astype(np.int16) - given).max(axis=2) > _CLIPPED
    return float((off & ((cut == 0) | (cut == 255)).any(axis=2)).mean())


def _plain(image: Image.Image) -> Image.Image:
    return to_srgb(image, b"")[0] if image.mode == "LAB" else image.convert("RGB")


def _name(about: Any) -> str:
    """Return a profile's own name, as far as it is text of a sane length."""
    text = "".join(c for c in about.profile_description or "" if c.isprintable())
    return " ".join(text.split())[:64] or f"a profile of {about.xcolor_space.strip()} without name"
