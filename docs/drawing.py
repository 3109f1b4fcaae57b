"""Draw the rooms of the package and what they import as docs/rooms.svg, from the sources."""

import html
import sys
import tomllib
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("itportrait", "workflows")
PICTURE = ROOT / "docs/rooms.svg"

BOX_WIDTH, BOX_HEIGHT, GAP = 96, 26, 14
BAND_HEIGHT, MARGIN = 66, 16
FOUNDATIONS = 2
"""Number of the lowest layers whose arrows are left out, because almost every room uses them."""

Imports = dict[str, frozenset[str]]
Point = tuple[float, float]


def room_of(module: str) -> str:
    """Return the room that a module belongs to: the package or file directly under the root."""
    parts = module.split(".")
    return parts[1] if parts[0] == "itportrait" and len(parts) > 1 else parts[0]


def layers() -> list[list[str]]:
    """Return the rooms of each layer, high to low, as the import contract has them."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    contract = next(c for c in tools["importlinter"]["contracts"] if c["type"] == "layers")
    return [
        [room_of(name.strip()) for name in layer.replace(":", "|").split("|")]
        for layer in contract["layers"]
    ]


def imports() -> Imports:
    """Return the rooms that each room imports, itself left out."""
    sys.path.insert(0, str(ROOT))  # these sources, wherever the package is installed from
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    found: dict[str, set[str]] = {}
    for module in graph.modules:
        used = found.setdefault(room_of(module), set())
        used |= {room_of(name) for name in graph.find_modules_directly_imported_by(module)}
    return {room: frozenset(used - {room}) for room, used in found.items()}


def reduced(used: Imports) -> Imports:
    """Return the imports that do not follow from others: a -> c goes where a -> b -> c is there."""

    @cache
    def below(room: str) -> frozenset[str]:
        return used[room].union(*(below(other) for other in used[room]))

    return {
        room: frozenset(
            target
            for target in targets
            if not any(target in below(other) for other in targets - {target})
        )
        for room, targets in used.items()
    }


def place(bands: list[list[str]], arrows: Imports) -> dict[str, Point]:
    """Return the upper left corner of each room's box; rooms stand near those they are tied to."""
    widest = max(map(len, bands)) * (BOX_WIDTH + GAP) - GAP
    ties: dict[str, set[str]] = {room: set(arrows.get(room, ())) for band in bands for room in band}
    for room, targets in arrows.items():
        for target in targets:
            ties[target].add(room)
    x: dict[str, float] = {}
    for _ in range(8):
        for level, band in enumerate(reversed(bands)):
            # Bands of few rooms lean to either side in turn, so that long arrows pass beside them.
            lean = (-1) ** level * 0.8 * BOX_WIDTH if len(band) < 3 else 0.0
            near = {room: [x[other] for other in ties[room] if other in x] for room in band}
            wish = {room: sum(at) / len(at) if at else widest / 2 for room, at in near.items()}
            band.sort(key=lambda room: (wish[room], room))
            x |= _apart([(room, wish[room] + lean) for room in band], widest)
    return {
        room: (x[room], MARGIN + level * BAND_HEIGHT + (BAND_HEIGHT - BOX_HEIGHT) / 2)
        for level, band in enumerate(bands)
        for room in band
    }


def _apart(wishes: list[tuple[str, float]], widest: float) -> dict[str, float]:
    """Return places for the boxes of one band, from left to right, that do not touch."""
    step = BOX_WIDTH + GAP
    if len(wishes) > 3:
        step = max(step, (widest - BOX_WIDTH) / (len(wishes) - 1))
    right = MARGIN + widest - BOX_WIDTH
    found: list[float] = []
    for _, wish in wishes:
        found.append(max(wish, found[-1] + step) if found else max(wish, MARGIN))
    for index in reversed(range(len(found))):
        found[index] = min(found[index], right - step * (len(found) - 1 - index))
    return {room: at for (room, _), at in zip(wishes, found, strict=True)}


def _arrow(start: Point, end: Point) -> str:
    x1, y1 = start[0] + BOX_WIDTH / 2, start[1] + BOX_HEIGHT
    x2, y2 = end[0] + BOX_WIDTH / 2, end[1] - 4
    above, below = (y2 - y1) / 2, (y1 - y2) / 2
    if start[1] == end[1]:  # in one layer: below both boxes
        y2, above, below = y1 + 4, 18, 14
    curve = f"{x1:.0f} {y1 + above:.0f} {x2:.0f} {y2 + below:.0f} {x2:.0f} {y2:.0f}"
    return f'<path class="arrow" d="M{x1:.0f} {y1:.0f} C{curve}" marker-end="url(#tip)"/>'


def _box(room: str, corner: Point) -> str:
    x, y = corner
    return (
        f'<rect class="room" x="{x:.0f}" y="{y:.0f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" '
        f'rx="5"/><text x="{x + BOX_WIDTH / 2:.0f}" y="{y + 17:.0f}">{html.escape(room)}</text>'
    )


def drawing() -> str:
    """Return the picture as SVG, one element a line: the same sources give the same text."""
    bands, used = layers(), imports()
    low = {room for band in bands[-FOUNDATIONS:] for room in band}
    # The package's own module offers `load_bundle` to users and stands in no layer.
    named = {room for band in bands for room in band if room in used}
    arrows = reduced({room: targets & named for room, targets in used.items() if room in named})
    shown = {room: targets - low for room, targets in arrows.items() if room not in low}
    bands = [[room for room in band if room in used] for band in bands]
    corners = place(bands, shown)
    width = round(max(x for x, _ in corners.values()) + BOX_WIDTH + MARGIN)
    height = len(bands) * BAND_HEIGHT + 2 * MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}">',
        "<style>text { font: 13px sans-serif; text-anchor: middle; fill: #1f2430 }"
        " .room { fill: #fff; stroke: #5b6472 } .arrow { fill: none; stroke: #7a8699 }</style>",
        '<marker id="tip" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="6" markerHeight="6" '
        'orient="auto"><path d="M0 0 8 4 0 8z" fill="#7a8699"/></marker>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for level in range(len(bands)):
        tint = "#eef1f5" if level % 2 == 0 else "#f8f9fb"
        y = MARGIN + level * BAND_HEIGHT
        lines.append(f'<rect y="{y}" width="{width}" height="{BAND_HEIGHT}" fill="{tint}"/>')
    lines += [
        _arrow(corners[room], corners[target])
        for room in sorted(shown)
        for target in sorted(shown[room])
    ]
    lines += [_box(room, corner) for room, corner in sorted(corners.items())]
    return "\n".join([*lines, "</svg>"]) + "\n"
