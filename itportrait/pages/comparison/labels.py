"""Places for the labels of a drawing, so that they cover neither each other nor the points."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

LETTER, LINE = 6.9, 14.0
"""Width of a letter and height of a line at 12 px, in pixels; wide enough for common fonts."""
_POINT = 7.0
_RINGS = (10.0, 18.0, 28.0, 40.0, 56.0, 76.0, 100.0)
_DIRECTIONS = 16


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, y downward."""

    left: float
    top: float
    width: float
    height: float

    def overlap(self, other: "Box") -> float:
        """Return the area that both cover."""
        wide = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        high = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        return max(wide, 0.0) * max(high, 0.0)

    def inside(self, frame: "Box") -> bool:
        """Tell whether it lies within a frame."""
        return self.overlap(frame) >= self.width * self.height - 1e-6


def place_labels(
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    frame: Box,
    lines: Sequence[Box] = (),
) -> list[Box]:
    """Return a box for each label, near its point and free of the others where there is room.

    Args:
        points: x and y in pixels.
        texts: of the labels, one line each.
        frame: what they must stay in.
        lines: boxes about lines, such as whiskers, that labels rather not cover.
    """
    dots = [Box(x - _POINT, y - _POINT, 2 * _POINT, 2 * _POINT) for x, y in points]
    placed: dict[int, Box] = {}
    # The crowded points choose first, while there is most room.
    for index in sorted(range(len(points)), key=lambda i: (_nearest(points, i), i)):
        size = (LETTER * len(texts[index]), LINE)
        others = [dot for position, dot in enumerate(dots) if position != index]
        candidates = [box for box in _around(points[index], size) if box.inside(frame)]
        candidates = candidates or [_kept(next(_around(points[index], size)), frame)]
        avoided = ((100.0, list(placed.values())), (20.0, others), (1.0, lines))
        costs = [_cost(box, points[index], avoided) for box in candidates]
        placed[index] = candidates[costs.index(min(costs))]
    return [placed[index] for index in range(len(points))]


def _around(point: tuple[float, float], size: tuple[float, float]) -> Iterator[Box]:
    """Yield boxes that touch rings about a point, the nearest and those at its right first."""
    (x, y), (width, height) = point, size
    for ring in _RINGS:
        for step in range(_DIRECTIONS):
            turn = (step + 1) // 2 * (-1 if step % 2 else 1) * 2 * math.pi / _DIRECTIONS
            across, down = math.cos(turn), math.sin(turn)
            # The side toward the point touches the ring, whatever the width of the label is.
            left = x + ring * across - width * (1 - across) / 2
            yield Box(left, y + ring * down - height * (1 - down) / 2, width, height)


def _kept(box: Box, frame: Box) -> Box:
    left = max(frame.left, min(box.left, frame.left + frame.width - box.width))
    top = max(frame.top, min(box.top, frame.top + frame.height - box.height))
    return Box(left, top, box.width, box.height)


def _cost(
    box: Box, point: tuple[float, float], avoided: Iterable[tuple[float, Sequence[Box]]]
) -> float:
    """Return the distance of a box from its point, and what it covers by weight."""
    away = math.dist(point, nearest_edge(box, point))
    return away + sum(weight * box.overlap(other) for weight, them in avoided for other in them)


def nearest_edge(box: Box, point: tuple[float, float]) -> tuple[float, float]:
    """Return the place of a box that is nearest to a point."""
    x = min(max(point[0], box.left), box.left + box.width)
    return x, min(max(point[1], box.top), box.top + box.height)


def _nearest(points: Sequence[tuple[float, float]], index: int) -> float:
    others = [math.dist(points[index], p) for i, p in enumerate(points) if i != index]
    return min(others, default=math.inf)
