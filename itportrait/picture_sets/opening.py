"""Sets by the text that names them in a domain."""

from itportrait.picture_sets.aligned import AlignedSet
from itportrait.picture_sets.base import PictureSet
from itportrait.picture_sets.drawn import DrawnSet
from itportrait.picture_sets.names import drawn_domain, is_drawn


def open_pictures(pictures: str, size: int, *, drawn: int) -> PictureSet:
    """Open a set.

    Args:
        pictures: URI of an aligned table, or `mini:NAME` for drawn pictures of that domain.
        size: side in pixels to which pictures are brought.
        drawn: number of drawn pictures; a table has its own.

    Raises:
        NoInputError: there is no such table, or it holds no aligned picture.
    """
    if is_drawn(pictures):
        return DrawnSet(drawn_domain(pictures), drawn, size)
    return AlignedSet(pictures, size)
