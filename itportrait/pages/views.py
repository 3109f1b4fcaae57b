"""Several views of a portrait as one picture, which a page turns without loading another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from itportrait.errors import InvalidArgumentError
from itportrait.image import encode
from itportrait.pages.contact_sheet import fitted

_MARGIN = (128, 128, 128)


@dataclass(frozen=True)
class Views:
    """Several views of one portrait in one picture, made by `encode_views`.

    Args:
        webp: a WebP of `count` square views from left to right.
        count: number of views. In a comparison the first is the input's own view; in a reel they go
            from one side to the other, or from the photo to the style.
    """

    webp: bytes
    count: int


def encode_views(views: Sequence[np.ndarray], *, side: int = 160, quality: int = 80) -> Views:
    """Return the views of one portrait side by side, as pages hold them.

    Args:
        views: uint8 `[H, W, 3]`, in the order in which they are turned through; one that is not
            square gets margins.
        side: pixels of a view; smaller pictures are not enlarged.
        quality: of the WebP, 0 to 100.

    Raises:
        InvalidArgumentError: no view.
    """
    if not len(views):
        raise InvalidArgumentError("views", expected="at least one picture", actual="none")
    side = min(side, max(max(pixels.shape[:2]) for pixels in views))
    strip = Image.new("RGB", (side * len(views), side), _MARGIN)
    for position, pixels in enumerate(views):
        picture = fitted(pixels, side)
        left = position * side + (side - picture.width) // 2
        strip.paste(picture, (left, (side - picture.height) // 2))
    return Views(encode(np.asarray(strip), "webp", quality=quality), len(views))
