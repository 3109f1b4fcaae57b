"""A picture that turns, or goes from photo to style, under a finger, the mouse or the keys."""

import html
from collections.abc import Sequence

import numpy as np

from itportrait.errors import InvalidArgumentError
from itportrait.pages.page import webp_tag
from itportrait.pages.views import Views, encode_views

_MOST, _SIDE = 25, 160
"""Largest number of frames of a reel, evenly taken, and their side in pixels: the frames are one
picture, which WebP limits to 16,383 pixels."""


def reel_views(frames: Sequence[np.ndarray]) -> Views:
    """Return the frames of a reel as one small picture, evenly taken where there are many.

    Args:
        frames: uint8 `[H, W, 3]`, at least two.

    Raises:
        InvalidArgumentError: fewer than two frames.
    """
    if len(frames) < 2:
        raise InvalidArgumentError("frames", expected="at least two", actual=len(frames))
    taken = np.linspace(0, len(frames) - 1, min(len(frames), _MOST)).round().astype(int)
    return encode_views([frames[index] for index in taken], side=_SIDE)


def reel(views: Views, alt: str, caption: str, *, start: float = 0.5) -> str:
    """Return HTML of a figure whose slider, or a drag on the picture, goes through its frames.

    Args:
        views: at least two frames, from `reel_views`.
        alt: what the picture shows; it names the slider, too.
        caption: HTML below it; its maker has escaped all text.
        start: share of the way, in [0, 1], that is shown first.
    """
    first, name = round(start * (views.count - 1)), html.escape(alt, quote=True)
    return (
        f'<figure class="reel" style="--count:{views.count};--view:{first}">'
        f"{webp_tag(views.webp, alt)}"
        f'<input type="range" min="0" max="{views.count - 1}" value="{first}" autocomplete="off" '
        f'aria-label="{name}"><figcaption>{caption}</figcaption></figure>'
    )
