"""Score a cell in tasks: its portraits part by part, then what they say together.

Every part is a file that stands once it is whole, so that a task that is lost costs one part.
Models, portraits, their unstylized renders and their true stylizations stay in the process for the
next cell.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import compress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from itportrait.comparison.cells import Cell
from itportrait.comparison.config import MeasuresConfig
from itportrait.comparison.given import Target
from itportrait.comparison.names import CELL_METRICS, PORTRAIT_METRICS
from itportrait.comparison.portraits import PortraitSet, read_portraits
from itportrait.comparison.style_store import StoredStyle
from itportrait.comparison.tables import FITS_SCHEMA, PART_SCHEMA, VIEWS, decode_table, encode_table
from itportrait.comparison.warm import (
    warm_base,
    warm_base_features,
    warm_judge,
    warm_set_judge,
    warm_style,
    warm_truth,
    warm_truth_features,
)
from itportrait.config import fingerprint
from itportrait.errors import ItportraitError
from itportrait.io import uris
from itportrait.records import Status

if TYPE_CHECKING:
    from torch import Tensor

    from itportrait.comparison.measures import Fits, Judge, Measured

VERSION = 1
"""Version of the code that scores; it is raised when scores change."""
CELLS, FITS, MARKER = "cells", "fits", "cell.json"


@dataclass(frozen=True, kw_only=True)
class CellJob:
    """Everything that scoring a cell needs, as plain data."""

    cell: Cell
    bundle: str
    style: StoredStyle
    strength: float
    portraits: PortraitSet
    target: Target
    align: str
    """JSON of `AlignConfig`, for the reference pictures."""
    measures: str
    """JSON of `MeasuresConfig`."""

    @property
    def settings(self) -> MeasuresConfig:
        """Return how the results are measured."""
        return MeasuresConfig.model_validate_json(self.measures)

    @property
    def fingerprint(self) -> str:
        """Return a digest of everything that determines the scores."""
        target = [self.target.prompt, self.target.source_prompt, self.target.truth_digest]
        pictures = [*self.target.pictures] and [self.align, *self.target.pictures]
        return fingerprint(
            VERSION,
            [self.style.name, self.style.sha256, self.strength],
            self.portraits.digest,
            target,
            pictures,
            self.measures,
        )

    @property
    def folder(self) -> str:
        """Return the folder of the cell."""
        return cell_folder(self.portraits.output, self.cell)

    def part(self, shard: int) -> str:
        """Return the URI of a part: the digest in its name says what it was made from, and how the
        portraits were divided."""
        digest = fingerprint(self.fingerprint, self.portraits.division)
        return uris.join(self.folder, f"part-{shard:05d}-{digest}.parquet")


@dataclass(frozen=True)
class CellScores:
    """The scores of a cell; the content of its marker."""

    fingerprint: str
    """Digest of everything that determined them."""
    values: dict[str, float]
    """Metrics of all portraits together."""
    reasons: dict[str, str]
    """Why metrics are missing, by name."""
    parts: list[str]
    """Names of the files of its portraits."""


def cell_folder(output: str, cell: Cell) -> str:
    """Return the folder of a cell below the output."""
    return uris.join(output, CELLS, cell.label, cell.domain, f"seed-{cell.seed}")


def score_part(job: CellJob, shard: int, device: str) -> int:
    """Measure the portraits of a shard in a cell's style, unless that is done.

    Returns:
        How many were measured.
    """
    if read_part(job.part(shard)) is not None:
        return 0
    judge = warm_judge(job.bundle, device, job.target, job.align, job.measures)
    portraits = read_portraits(job.portraits, shard)
    style = warm_style(job.portraits.output, job.style, job.strength, job.bundle, device)
    size = job.settings.batch_size
    truth = _own_truth(job, shard, judge)
    fits = read_fits(job, shard)
    known = len(fits)
    rows: list[Measured] = []
    for batch, start in enumerate(range(0, len(portraits), size)):
        base = warm_base(job.portraits, shard, job.measures, job.bundle, device)[batch]
        own = None if truth is None else truth[start : start + size]
        rows += judge.measure(style, portraits[start : start + size], base, own, fits)
    if len(fits) > known:
        write_fits(job, shard, fits)
    uris.put_bytes(job.part(shard), encode_table([_row(each) for each in rows], PART_SCHEMA))
    return len(rows)


def _row(each: "Measured") -> dict[str, Any]:
    from itportrait.image import encode

    return {
        "portrait": each.portrait,
        "record_id": each.record_id,
        "status": str(each.status),
        "error": None if each.error is None else uris.redact(each.error),
        **each.values,
        VIEWS: [encode(view) for view in each.views],
    }


def fits_file(job: CellJob, shard: int) -> str:
    """Return the URI of what a cell's style has fitted to the portraits of a shard."""
    portraits, style = job.portraits, job.style
    digest = fingerprint(style.sha256, portraits.digest, portraits.division)
    return uris.join(portraits.output, FITS, style.name, f"part-{shard:05d}-{digest}.parquet")


def read_fits(job: CellJob, shard: int) -> "Fits":
    """Return what a cell's style has fitted to the portraits of a shard in an earlier task."""
    from itportrait.comparison.measures import Fit

    try:
        rows = decode_table(uris.read_bytes(fits_file(job, shard)))
    except (FileNotFoundError, pa.ArrowInvalid):
        return {}
    return {row["record_id"]: Fit(row["data"], row["seconds"]) for row in rows}


def write_fits(job: CellJob, shard: int, fits: "Fits") -> None:
    """Keep fits, which no other measures and no other strength change."""
    rows = [{"record_id": name, "data": f.data, "seconds": f.seconds} for name, f in fits.items()]
    uris.put_bytes(fits_file(job, shard), encode_table(rows, FITS_SCHEMA))


def read_part(uri: str, *, views: bool = False) -> list[dict[str, Any]] | None:
    """Return the rows of a part, or None where it is missing or damaged.

    Args:
        uri: of the part.
        views: read the pictures, too.
    """
    try:
        data = uris.read_bytes(uri)
        return decode_table(data, without=() if views else (VIEWS,))
    except (FileNotFoundError, pa.ArrowInvalid):
        return None


def read_cell(
    output: str, cell: Cell, scores: CellScores, *, views: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a scored cell's portraits, part by part.

    Raises:
        ItportraitError: a part is damaged or gone.
    """
    for name in scores.parts:
        rows = read_part(uris.join(cell_folder(output, cell), name), views=views)
        if rows is None:
            raise ItportraitError(
                f"the portraits of {cell} are damaged or gone; the same command scores them again"
            )
        yield from rows


def finish_cell(job: CellJob, device: str) -> CellScores:
    """Score a cell whose parts are whole, and mark it.

    Args:
        job: the cell.
        device: torch device.

    Raises:
        OSError: a part is gone; score it again.
        ItportraitError: no portrait could be stylized; says why. The parts go, so that the next run
            tries again.
    """
    import torch

    from itportrait.image import decode

    where, truth = (job.bundle, device, job.measures), None
    if job.target.truth:
        truth = warm_truth_features(*where, job.target)
    views, plain, rows = [], [], []
    for shard in job.portraits.shards:
        part = read_part(job.part(shard), views=True)
        if part is None:
            raise OSError(f"{uris.redact(job.part(shard))} is gone")
        rows += part
        good = [row["status"] == Status.OK for row in part]
        views += [[decode(view) for view in row[VIEWS]] for row in compress(part, good)]
        if truth is not None:  # both sides of a comparison are of the same portraits
            base = warm_base_features(job.portraits, shard, job.measures, job.bundle, device)
            plain.append(base[torch.tensor(good)])
    if not views:
        for shard in job.portraits.shards:
            uris.remove(job.part(shard))
        reasons = dict.fromkeys(row["error"] for row in rows)
        raise ItportraitError(f"no portrait could be stylized: {'; '.join([*reasons][:3])}")
    values = {"adapt_seconds": job.style.seconds, "style_bytes": float(job.style.size)}
    judge = warm_set_judge(*where)
    together, reasons = judge.measure(views, torch.cat(plain) if plain else None, truth)
    values |= together
    found = {name for row in rows for name in PORTRAIT_METRICS if row[name] is not None}
    scores = CellScores(
        job.fingerprint,
        values,
        missing_reasons(found | values.keys()) | reasons,
        [job.part(shard).rpartition("/")[2] for shard in job.portraits.shards],
    )
    uris.put_bytes(uris.join(job.folder, MARKER), uris.to_json(asdict(scores)))
    return scores


def missing_reasons(found: set[str]) -> dict[str, str]:
    """Return why each metric that a cell lacks could not be computed."""
    from itportrait.evaluate.portraits import NO_PROMPT, NO_REFERENCES, NO_TRUE_PORTRAITS
    from itportrait.evaluate.score import NO_TRUTH

    reasons = {
        "clip_direction": NO_PROMPT,
        "clip_image": NO_REFERENCES,
        "clip_image_gain": NO_REFERENCES,
        "truth_distance": NO_TRUE_PORTRAITS,
        "truth_distance_base": NO_TRUE_PORTRAITS,
        "kid": NO_TRUTH,
        "kid_ratio": NO_TRUTH,
        "fid": NO_TRUTH,
        "diversity": "it needs at least two portraits",
    }
    return {
        name: reasons.get(name, "it was not measured")
        for name in PORTRAIT_METRICS | CELL_METRICS
        if name not in found
    }


def _own_truth(job: CellJob, shard: int, judge: "Judge") -> "Tensor | None":
    """Return the true stylizations of a shard's people; None for photos, or without such truth."""
    if job.portraits.people is None or job.target.drawn is None:
        return None
    size = judge.bundle.generator.image_resolution
    return warm_truth(job.portraits, shard, job.target.drawn, size)
