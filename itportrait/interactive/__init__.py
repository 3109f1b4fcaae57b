"""The product in ten lines of Python: pictures in, stylized portraits out, in this very process."""

from typing import TYPE_CHECKING

from itportrait.lazy import lazy_exports

if TYPE_CHECKING:
    from itportrait.interactive.domain import Domain
    from itportrait.interactive.film import Film
    from itportrait.interactive.portrait import Portrait
    from itportrait.interactive.portraits import Portraits

__all__ = ["Domain", "Film", "Portrait", "Portraits"]

__getattr__ = lazy_exports(
    __name__,
    {
        "domain": "Domain",
        "film": "Film",
        "portrait": "Portrait",
        "portraits": "Portraits",
    },
)
