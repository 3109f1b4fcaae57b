"""Score a cell in tasks: its portraits part by part, then what they say together.

Every part is a file that stands once it is whole, so that a task that is lost costs one part.
Models, portraits, their unstylized renders and their true stylizations stay in the process for the
next cell.
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from itportrait.comparison.cells import Cell
from itportrait.comparison.config import MeasuresConfig
from itportrait.comparison.names import CELL_METRICS, PORTRAIT_METRICS
from itportrait.comparison.portraits import PortraitSet, read_portraits
from itportrait.comparison.style_store import StoredStyle
from itportrait.comparison.tables import PART_SCHEMA, VIEWS, decode_table, encode_table
from itportrait.comparison.warm import Target, warm_base, warm_judge, warm_style, warm_truth
from itportrait.config import fingerprint
from itportrait.io import uris
from itportrait.records import Status

if TYPE_CHECKING:
    from torch import Tensor

    from itportrait.comparison.measures import Judge, Measured

VERSION = 1
"""Version of the code that scores; it is raised when scores change."""
CELLS, MARKER = "cells", "cell.json"


@dataclass(frozen=True, kw_only=True)
class CellJob:
    """Everything that scoring a cell needs, as plain data."""

    cell: Cell
    bundle: str
    style: StoredStyle
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
        target = [self.target.prompt, self.target.source_prompt, self.target.truth]
        pictures = [*self.target.pictures] and [self.align, *self.target.pictures]
        return fingerprint(
            VERSION, self.style.name, self.portraits.digest, target, pictures, self.measures
        )

    @property
    def folder(self) -> str:
        """Return the folder of the cell."""
        return cell_folder(self.portraits.output, self.cell)

    def part(self, shard: int) -> str:
        """Return the URI of a part: the fingerprint in its name says what it was made from."""
        return uris.join(self.folder, f"part-{shard:05d}-{self.fingerprint}.parquet")


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
    seconds: float = 0.0
    """Seconds of the scoring tasks."""


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
    style = warm_style(job.portraits.output, job.style, job.bundle, device)
    size = job.settings.batch_size
    truth = _own_truth(job, shard, judge)
    rows: list[Measured] = []
    for batch, start in enumerate(range(0, len(portraits), size)):
        base = warm_base(job.portraits, shard, job.measures, job.bundle, device)[batch]
        own = None if truth is None else truth[start : start + size]
        rows += judge.measure(style, portraits[start : start + size], base, own)
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


def finish_cell(job: CellJob, device: str, seconds: float) -> CellScores:
    """Score a cell whose parts are whole, and mark it.

    Args:
        job: the cell.
        device: torch device.
        seconds: that its parts took.

    Raises:
        OSError: a part is gone; score it again.
    """
    from itportrait.image import decode

    judge = warm_judge(job.bundle, device, job.target, job.align, job.measures)
    views, base, rows = [], [], []
    for shard in job.portraits.shards:
        part = read_part(job.part(shard), views=True)
        if part is None:
            raise OSError(f"{uris.redact(job.part(shard))} is gone")
        rows += part
        good = [row for row in part if row["status"] == Status.OK]
        views += [[decode(view) for view in row[VIEWS]] for row in good]
        base += warm_base(job.portraits, shard, job.measures, job.bundle, device)
    values = {"adapt_seconds": job.style.seconds, "style_bytes": float(job.style.size)}
    if views:
        values |= judge.together(views, base, _truth_set(job, judge))
    found = {name for row in rows for name in PORTRAIT_METRICS if row[name] is not None}
    scores = CellScores(
        job.fingerprint,
        values,
        missing_reasons(job, found | values.keys(), measured=len(views)),
        [job.part(shard).rpartition("/")[2] for shard in job.portraits.shards],
        seconds,
    )
    uris.put_bytes(uris.join(job.folder, MARKER), uris.to_json(asdict(scores)))
    return scores


def missing_reasons(job: CellJob, found: set[str], *, measured: int) -> dict[str, str]:
    """Return why each metric that a cell lacks could not be computed."""
    if not measured:
        return dict.fromkeys(
            (PORTRAIT_METRICS | CELL_METRICS).keys() - found, "no portrait could be stylized"
        )
    reasons = {
        "clip_direction": "the domain has no prompt",
        "clip_reach": "the domain has no prompt",
        "clip_image": "the domain has no references",
        "clip_image_gain": "the domain has no references",
        "truth_distance": "it needs drawn portraits and a drawn truth of the domain",
        "truth_distance_base": "it needs drawn portraits and a drawn truth of the domain",
        "kid": "the domain has no truth",
        "kid_ratio": "the domain has no truth",
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


def _truth_set(job: CellJob, judge: "Judge") -> "Tensor | None":
    """Return true pictures of the domain, of other people."""
    from itportrait.evaluate import EvaluationProbeConfig
    from itportrait.jobs.bank.scores import truth_images

    probe = EvaluationProbeConfig(kid_count=job.settings.truth_count)
    return truth_images(job.target.truth, probe, judge.bundle.generator.image_resolution)
