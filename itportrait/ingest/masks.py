"""Mask files beside photos: which file is the mask of which photo.

The mask of `NAME.jpg` is `NAME.jpg.mask.png`, or else `NAME.mask.png`. A file of such a name is a
mask only where its photo is beside it; without one it is a picture like any other.
"""

from collections.abc import Collection, Iterable

from itportrait.photos.formats import format_of_name


def stem_of_mask(name: str, suffix: str) -> str:
    """Return a mask's name without the ending of masks, or "" where the name has another ending."""
    is_mask = bool(suffix) and name.lower().endswith(suffix.lower())
    return name[: -len(suffix)] if is_mask and not name[: -len(suffix)].endswith("/") else ""


def stems_of_photo(name: str) -> tuple[str, str]:
    """Return the names that a photo's mask may have in front of its ending, the best one first."""
    folder, slash, last = name.rpartition("/")
    return name, folder + slash + (last.rpartition(".")[0] or last)


def pair_masks(names: Collection[str], suffix: str) -> dict[str, str]:
    """Return the masks of the photos of a folder, by the photos' names.

    Args:
        names: of all files in the folder.
        suffix: ending of the names of masks; "" for none.
    """
    masks = {stem: name for name in names if (stem := stem_of_mask(name, suffix))}
    if not masks:
        return {}
    taken = set(masks.values())
    photos = (name for name in names if name not in taken and format_of_name(name) is not None)
    found = ((photo, _first(masks, stems_of_photo(photo))) for photo in photos)
    return {photo: mask for photo, mask in found if mask}


def _first(masks: dict[str, str], stems: Iterable[str]) -> str:
    return next((masks[stem] for stem in stems if stem in masks), "")
