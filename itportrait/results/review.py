"""The review page of a job, from the tables' columns alone: memory holds the worst, not the run."""

import heapq
import logging
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from itportrait.config import fingerprint
from itportrait.errors import ItportraitError
from itportrait.io import uris
from itportrait.pages.review import ReviewCase, ReviewGroup, render_review
from itportrait.photos.files import read_photo
from itportrait.records import AlignedRecord, Source, Status
from itportrait.results.standing import Marker
from itportrait.stages.gate import Gate
from itportrait.stages.recipe import Recipe
from itportrait.text import restored

log = logging.getLogger(__name__)
PAGE, MARKER = "gallery/review.html", "gallery/_review.json"
REVIEW_VERSION = 2
"""Version of this module's code; it is raised when the page changes."""
_REPORT = {"Report": "../report.html"}
_COLUMNS = ("record_id", "uri", "status", "error", "crop")


@dataclass(frozen=True, kw_only=True)
class ReviewJob:
    """What is to be reviewed.

    Args:
        output: the job's output folder.
        chain: recipes of the stages that every photo goes through, the first one first.
        stylize: recipes of the domains.
        portraits: how many for each reason.
        inputs: digest of all rows: equal means the page stands.
        gallery: whether there is a gallery to link to.
    """

    output: str
    chain: tuple[Recipe, ...]
    stylize: tuple[Recipe, ...] = ()
    portraits: int = 6
    inputs: str = ""
    gallery: bool = True

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """Return all recipes, in the order of the stages."""
        return *self.chain, *self.stylize

    @property
    def fingerprint(self) -> str:
        """Return a digest of all that determines the page."""
        recipes = [recipe.fingerprint for recipe in self.recipes]
        return fingerprint(REVIEW_VERSION, recipes, self.portraits, self.inputs, self.gallery)

    @property
    def marker(self) -> Marker:
        """Return the mark of this very page."""
        return Marker(uris.join(self.output, MARKER), self.fingerprint)


@dataclass(frozen=True, order=True)
class _Found:
    """A row that may be shown; of equal badness the first of the run comes first."""

    badness: float
    order: tuple[int, int]
    shard: int = field(compare=False)
    row: dict[str, Any] = field(compare=False)


class _Worst:
    """The worst few of many rows, and how many were turned away."""

    def __init__(self, size: int) -> None:
        self.size, self.count = size, 0
        self._heap: list[_Found] = []

    def add(self, badness: float, shard: int, position: int, row: dict[str, Any]) -> None:
        found = _Found(badness, (-shard, -position), shard, row)
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, found)
        else:
            heapq.heappushpop(self._heap, found)

    def rows(self) -> list[_Found]:
        return sorted(self._heap, reverse=True)


def make_review(job: ReviewJob) -> list[ReviewGroup]:
    """Write `OUT/gallery/review.html`, its marker last.

    Returns:
        What is on it.

    Raises:
        OutputError: no space or no permission; names the path.
        OSError: a table cannot be read.
    """
    groups = [group for recipe in job.recipes for group in _groups(job, recipe)]
    page = render_review(
        groups,
        subtitle="rejected and failed portraits, the worst first, and those nearest to a limit",
        links={"Gallery": "index.html", "Report": "../report.html"} if job.gallery else _REPORT,
        footer=f"fingerprint {job.fingerprint}",
    )
    uris.put_bytes(uris.join(job.output, PAGE), page.encode())
    job.marker.write(files=PAGE)
    return groups


def _groups(job: ReviewJob, recipe: Recipe) -> Iterator[ReviewGroup]:
    """Look through a stage's rows once, and yield what there is to show."""
    gates = recipe.definition.gates
    by_gate = [_Worst(job.portraits) for _ in gates]
    others: dict[str, _Worst] = {}
    reasons: Counter[str] = Counter()
    columns = [*_COLUMNS, *(gate.column for gate in gates)]
    for commit in recipe.table().commits():
        for position, row in enumerate(recipe.table().read_columns(commit, columns)):
            kind = (row["error"] or {}).get("type")
            if kind is not None:
                reasons[kind] += 1
            for gate, worst in zip(gates, by_gate, strict=True):
                value = row[gate.column]
                # Of those that another reason has turned away, nothing is to be decided here.
                if value is not None and kind in (None, gate.reason) and math.isfinite(value):
                    worst.add(gate.badness(value), commit.shard, position, row)
            if kind is not None and kind not in {gate.reason for gate in gates}:
                worst = others.setdefault(kind, _Worst(job.portraits))
                worst.add(0.0, commit.shard, position, row)
    gates_of = Counter(gate.reason for gate in gates)
    for gate, worst in zip(gates, by_gate, strict=True):
        name = f" by {gate.column}" if gates_of[gate.reason] > 1 else ""
        cases = [_case(job, recipe, found, gate) for found in worst.rows()]
        title = f"{recipe.name}: {gate.reason}{name}"
        yield ReviewGroup(title, reasons[gate.reason], _setting(recipe, gate), cases)
    for kind, worst in sorted(others.items()):
        cases = [_case(job, recipe, found) for found in worst.rows()]
        yield ReviewGroup(f"{recipe.name}: {kind}", reasons[kind], "", cases)


def _setting(recipe: Recipe, gate: Gate) -> str:
    config = recipe.definition.settings.model_validate_json(recipe.config)
    value = getattr(config, gate.setting)
    return f"{recipe.stage}.{gate.setting} is {'off' if value is None else f'{value:g}'}"


def _case(job: ReviewJob, recipe: Recipe, found: _Found, gate: Gate | None = None) -> ReviewCase:
    row, photo = found.row, found.row
    if not recipe.takes_photos:
        photo = _aligned(job, found) or row
    text = (row["error"] or {}).get("message", "")
    if gate is not None:
        text = gate.shown(row[gate.column])
    name = (photo["uri"] or row["record_id"]).rsplit("/", 1)[-1]
    return ReviewCase(name, Status(row["status"]), text, _picture(job, found, photo))


def _aligned(job: ReviewJob, found: _Found) -> dict[str, Any] | None:
    """Return the first stage's row of a portrait of a later stage."""
    commit = job.chain[0].table().read_commit(found.shard)
    rows = job.chain[0].table().read_columns(commit, _COLUMNS) if commit else []
    return next((r for r in rows if r["record_id"] == found.row["record_id"]), None)


def _picture(job: ReviewJob, found: _Found, photo: dict[str, Any]) -> np.ndarray | None:
    """Return the face, the whole photo where none was found, or None where there is neither."""
    if photo["status"] == Status.FAILED or not photo["uri"]:
        return None
    try:
        pixels = read_photo(Source(uri=restored(photo["uri"]))).pixels
    except (ItportraitError, OSError, ValueError) as error:
        # Photos out of archives, or behind credentials: what was aligned of them is in the table.
        log.info("%s is not read again for the review: %s", photo["uri"], error)
        return _from_table(job, found) if photo["status"] == Status.OK else None
    return pixels if photo["crop"] is None else _cut(pixels, photo["crop"])


def _from_table(job: ReviewJob, found: _Found) -> np.ndarray | None:
    commit = job.chain[0].table().read_commit(found.shard)
    rows = job.chain[0].table().read_rows(commit) if commit else []
    records = [row.record for row in rows if row.record.record_id == found.row["record_id"]]
    return next((r.pixels for r in records if isinstance(r, AlignedRecord)), None)


def _cut(pixels: np.ndarray, crop: Sequence[float]) -> np.ndarray:
    """Return the part of a crop that lies in the photo, or the photo where none does."""
    left, top, side = (round(value) for value in crop)
    part = pixels[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    return part if part.size else pixels
