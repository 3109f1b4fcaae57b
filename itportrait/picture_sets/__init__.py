"""Sets of pictures that guide an adaptation: aligned tables read as streams, and drawn ones."""

from typing import TYPE_CHECKING

from itportrait.lazy import lazy_exports

if TYPE_CHECKING:
    from itportrait.picture_sets.aligned import AlignedSet
    from itportrait.picture_sets.base import PictureBatch, PictureSet
    from itportrait.picture_sets.drawn import DrawnSet
    from itportrait.picture_sets.opening import open_pictures

__all__ = ["AlignedSet", "DrawnSet", "PictureBatch", "PictureSet", "open_pictures"]

__getattr__ = lazy_exports(
    __name__,
    {
        "aligned": "AlignedSet",
        "base": "PictureBatch PictureSet",
        "drawn": "DrawnSet",
        "opening": "open_pictures",
    },
)
