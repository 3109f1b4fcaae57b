"""Names of drawn sets, checked without loading what draws them."""

from itportrait.errors import UnknownNameError

DRAWN = "mini:"
"""Beginning of the name of a set that is drawn and not read."""


def check_drawn(name: str | None) -> str | None:
    """Return the name of a set, whose domain must be known if it is drawn.

    Raises:
        ValueError: no such procedural domain; lists the known ones.
    """
    if name is not None and name.startswith(DRAWN):
        from itportrait.portraits.domains import get_domain

        try:
            get_domain(name.removeprefix(DRAWN))
        except UnknownNameError as error:
            raise ValueError(str(error)) from None
    return name
