"""Names of sets of pictures: places, and drawn sets, checked without loading what draws them."""

from itportrait.errors import UnknownNameError
from itportrait.io import uris

DRAWN = "mini:"
"""Beginning of the name of a set that is drawn and not read."""


def is_drawn(name: str) -> bool:
    """Return whether a set is drawn and not read."""
    return name.startswith(DRAWN)


def drawn_domain(name: str) -> str:
    """Return the procedural domain that a drawn set is named for."""
    return name.removeprefix(DRAWN)


def rooted(name: str | None, folder: str) -> str | None:
    """Return the name of a set, with a relative place taken from a folder."""
    return name if name is None or is_drawn(name) else uris.rooted(name, folder)


def check_drawn(name: str | None) -> str | None:
    """Return the name of a set, whose domain must be known if it is drawn.

    Raises:
        ValueError: no such procedural domain; lists the known ones.
    """
    if name is not None and is_drawn(name):
        from itportrait.portraits.domains import get_domain

        try:
            get_domain(drawn_domain(name))
        except UnknownNameError as error:
            raise ValueError(str(error)) from None
    return name
