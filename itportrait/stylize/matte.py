"""Where a photo shows the head that is pasted into it, and what colors the style gives to it there.

Both are solved on one graph: the pixels of a small copy of the photo, each joined to its neighbors
the more strongly, the more alike their colors are. So what is said of some pixels spreads within
hair, skin and background, past the crop too, and stops at the edges between them.
"""

from typing import Any

# scipy's sparse matrices have no complete types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

_BLUR, _EDGE, _WEAKEST = 0.7, 4.0, 1e-4
"""The graph's colors are blurred by so many pixels; a difference of so many times the median one
parts two pixels; and the weight of the strongest edge, so that no pixel is quite alone."""
_TRUST, _SPACING = 0.004, 1 / 80
"""How strongly a pixel in the middle of the crop holds to what the render shows there, where pixels
lie so far apart, in shares of the crop's side."""
_MIDDLE, _HEAD, _HAIR, _DOUBT = (0.5, 0.45), (0.34, 0.48), (0.5, 0.85), 3.0
"""Middle and half axes of two ellipses, in shares of the crop: inside of the first a render's alpha
is believed, and outside of the second nothing is taken for a head; how fast that begins."""
_NEAR, _FAR, _HOPE = 0.1, 0.35, 0.5
"""Trust in there being no head just past the crop, as a share of `_TRUST`; the distance from the
crop, in shares of its side, at which it is as large as that; and the share of it that is taken away
where hair may be."""
_LOW, _HIGH = 0.35, 0.65
"""Between these the matte rises from 0 to 1."""
_JUMP, _UNCLEAR, _RETREATS, _LEAST = 0.12, 0.4, 6, 0.3
"""Slope of the values, a pixel, from which the outline follows an edge of the photo; the share of
the outline without one from which the head is sought further in (0.22 at most in photos where hair
and wall differ, 0.6 in a dark painting); how often at most; and the share of the head that is left
at least: a photo without any edge would lose it all."""
_COLOR_TRUST = 0.05
"""How strongly colors hold to the view where it counts."""
_KNOWN = 1e-7
"""Trust where nothing is known: the system has one solution."""
_FLAT = 30.0
"""Variance of a guide, in squared levels, below which it has no edge to follow."""


class ColorGraph:
    """The pixels of a small picture, joined to their four neighbors.

    Args:
        picture: `[H, W, 3]` float32, values in [0, 255].

    Source: Grady, Random Walks for Image Segmentation (2006), with priors in place of seeds.
    """

    def __init__(self, picture: np.ndarray) -> None:
        count = picture.shape[0] * picture.shape[1]
        number = np.arange(count).reshape(picture.shape[:2])
        smooth = ndimage.gaussian_filter(picture, (_BLUR, _BLUR, 0))
        jumps = [np.square(np.diff(smooth, axis=axis)).sum(-1).ravel() for axis in (1, 0)]
        jump = np.concatenate(jumps)
        weights = np.maximum(np.exp(-jump / (_EDGE**2 * (np.median(jump) + 1))), _WEAKEST)
        first = np.concatenate([number[:, :-1].ravel(), number[:-1].ravel()])
        second = np.concatenate([number[:, 1:].ravel(), number[1:].ravel()])
        joints = sparse.coo_array((weights, (first, second)), shape=(count, count))
        both: Any = (joints + joints.T).tocsr()
        self._laplacian: Any = sparse.diags_array(both.sum(axis=1)) - both

    def spread(self, values: np.ndarray, trust: np.ndarray) -> np.ndarray:
        """Return values that hold to the given ones as far as they are trusted, smooth elsewhere.

        Args:
            values: `[H, W]` or `[H, W, C]`.
            trust: `[H, W]`, 0 where nothing is known.

        Returns:
            float32 of the shape of `values`.
        """
        weight = trust.ravel().astype(np.float64) + _KNOWN
        solver: Any = splu((self._laplacian + sparse.diags_array(weight)).tocsc())
        solved = solver.solve(weight[:, None] * values.reshape(trust.size, -1))
        return solved.reshape(values.shape).astype(np.float32)


def head_matte(
    graph: ColorGraph, shown: np.ndarray, inside: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """Return how much of each pixel of a photo is head.

    Args:
        graph: of the photo.
        shown: `[H, W]` in [0, 1]: where the render shows the head; what it says past the crop does
            not count.
        inside: `[H, W]` in [0, 1]: 1 in the crop, 0 past it.
        places: `[H, W, 2]`: x and y in shares of the crop's side, evenly spaced.

    Returns:
        `[H, W]` float32 in [0, 1].
    """
    past = np.clip(np.abs(places - 0.5) - 0.5, 0, None)
    distance = np.square(past / _FAR).sum(-1)
    past_it = distance + (1 - inside) * _NEAR
    trust = inside * _likely(places, _HEAD) + past_it * (1 - _HOPE * _likely(places, _HAIR))
    # Of a finer grid each pixel says less, so that what is said reaches equally far.
    spacing = float(places[0, 1, 0] - places[0, 0, 0])
    said, trust = shown * inside, _TRUST * (spacing / _SPACING) ** 2 * trust
    values = whole = graph.spread(said, trust)
    # Dark hair before a dark wall: no edge parts them, and the color of a style would lie as a
    # cloud on both. What is neither head nor background is taken for none, until an edge is met.
    for _ in range(_RETREATS):
        if _share_without_edge(values) <= _UNCLEAR:
            break
        between = (values > _LOW) & (values < _HIGH)
        said, trust = np.where(between, 0, said), np.where(between, 1, trust)
        values = graph.spread(said, trust)
    left = _is_head(values).sum() >= _LEAST * _is_head(whole).sum()
    return _rise(values if left else whole)


def _is_head(values: np.ndarray) -> np.ndarray:
    return values > (_LOW + _HIGH) / 2


def _share_without_edge(values: np.ndarray) -> float:
    """Return the share of the head's outline at which the values do not jump, in [0, 1]."""
    head = _is_head(values)
    outline = head & np.logical_not(ndimage.binary_erosion(head, border_value=1))
    down, across = np.gradient(values)
    return float((np.hypot(down, across)[outline] < _JUMP).mean()) if outline.any() else 0.0


def _likely(places: np.ndarray, axes: tuple[float, float]) -> np.ndarray:
    """Return 1 inside of an ellipse, falling to 0 outside of it."""
    outside = np.square((places - _MIDDLE) / axes).sum(-1) - 1
    return np.exp(-_DOUBT * np.clip(outside, 0, None))


def _rise(values: np.ndarray) -> np.ndarray:
    share = np.clip((values - _LOW) / (_HIGH - _LOW), 0, 1)
    return share * share * (3 - 2 * share)


def spread_colors(graph: ColorGraph, change: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the change of colors that a style makes, also where its view does not show it.

    Args:
        graph: of the photo.
        change: `[H, W, 3]`, view minus photo.
        known: `[H, W]` in [0, 1]: how much the view counts.

    Returns:
        `[H, W, 3]` float32: smooth, but for the photo's own edges.
    """
    return graph.spread(change, _COLOR_TRUST * known)


def along_edges(values: np.ndarray, guide: np.ndarray, radius: int) -> tuple[np.ndarray, ...]:
    """Return slope and offset with which a large copy of the guide gives the values, enlarged.

    Args:
        values: `[h, w]` float32.
        guide: `[h, w]` float32, gray, values in [0, 255].
        radius: of the windows in which values are linear in the guide, in pixels.

    Returns:
        Two maps `[h, w]`: enlarged, `slope * gray + offset` has the edges of the large gray guide.

    Source: He and Sun, Fast Guided Filter (2015).
    """
    size = 2 * radius + 1
    mean, average = ndimage.uniform_filter(guide, size), ndimage.uniform_filter(values, size)
    variance = ndimage.uniform_filter(guide * guide, size) - mean * mean
    shared = ndimage.uniform_filter(values * guide, size) - average * mean
    slope = shared / (variance + _FLAT)
    offset = average - slope * mean
    return ndimage.uniform_filter(slope, size), ndimage.uniform_filter(offset, size)
