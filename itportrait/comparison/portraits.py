"""The portraits of a comparison: drawn or given, aligned and inverted by the ordinary stages."""

import io
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from itportrait.comparison.config import ComparisonConfig
from itportrait.config import fingerprint
from itportrait.engine.progress import Progress
from itportrait.errors import NoInputError
from itportrait.ingest import list_sources
from itportrait.io import uris
from itportrait.io.kept import kept
from itportrait.io.lease import Lease
from itportrait.jobs.backend import Backend
from itportrait.jobs.stylize.config import JobConfig
from itportrait.jobs.stylize.job import StylizeJob
from itportrait.records import AlignedRecord, InvertedRecord, Status
from itportrait.stages.recipe import Recipe, stage_table

PEOPLE, TRUTH = "people", "truth.parquet"
PHOTO_SIZE = 512
"""Side in pixels of the photos of drawn people."""
_CONTENTS = {
    "align": ("sha256", "mask_sha256", "camera", "crop"),
    "invert": ("camera", "w_plus", "psnr", "perceptual"),
}
"""Columns by which a portrait is known, with the recipes of the stages. Its pictures follow from
them; the scores of its code tell its tuned weights from others."""


@dataclass(frozen=True)
class PortraitSet:
    """The portraits that all methods stylize, as plain data that travels with tasks.

    Args:
        output: of the comparison; its tables `aligned` and `inverted` hold them.
        digest: of what they are, however they are cut into shards; it changes when they do.
        shards: numbers of the shards that hold portraits which no earlier one holds.
        listed: number of photos.
        lost: name of each photo that is not stylized, with the reason; of a photo that is there
            twice, the second.
        people: folder of drawn people with their truth; None for photos.
        twice: names that several portraits have, such as those of a photo with two faces.
        division: digest of how they are cut into shards, for names of files that hold one.
        repeats: shard and record id of portraits that an earlier shard holds.
    """

    output: str
    digest: str
    shards: tuple[int, ...]
    listed: int
    lost: tuple[tuple[str, str], ...] = ()
    people: str | None = None
    twice: frozenset[str] = frozenset()
    division: str = ""
    repeats: frozenset[tuple[int, str]] = frozenset()


@dataclass(frozen=True)
class Portrait:
    """A portrait's rows, and what it is called.

    Args:
        name: what people know it by; no other portrait of the comparison has it.
        file: name of its photo.
        aligned, inverted: its rows.
    """

    name: str
    file: str
    aligned: AlignedRecord
    inverted: InvertedRecord

    @property
    def record_id(self) -> str:
        """Return the id of its rows."""
        return self.inverted.record_id


def require_photos(config: ComparisonConfig) -> None:
    """Refuse photos that are not there, before anything is made of them.

    Raises:
        NoInputError: names the place and what was looked for.
    """
    if not config.drawn:
        next(iter(list_sources(config.portraits)))


def prepare_portraits(
    config: ComparisonConfig, model_id: str, backend: Backend, lease: Lease
) -> PortraitSet:
    """Align and invert the portraits, as far as that is not done, and return them.

    Raises:
        NoInputError: none of the photos shows a face that could be inverted; says why.
        ItportraitError: what no retry can mend; everything committed so far stays.
    """
    people = draw_people(config) if config.drawn else None
    settings = JobConfig(
        bundle=config.base,
        input=people or config.portraits,
        output=config.output,
        bank=uris.join(config.output, "bank"),
        ingest={"shard_size": config.portraits_per_task},  # pyright: ignore[reportArgumentType]
        align=config.align,
        invert=config.invert,
    )
    job = StylizeJob(settings, model_id, backend)
    with Progress(job.totals) as progress:
        job.pipeline(progress, lease).run(job.shards())
    return find_portraits(config, job, people)


def draw_people(config: ComparisonConfig) -> str:
    """Write the photos of the drawn people with their truth, unless they stand.

    Returns:
        Their folder.
    """
    from itportrait.mini.samples import write_sample_portraits
    from itportrait.portraits import HELD_OUT_SEED
    from itportrait.portraits.render import VERSION

    name = f"{config.drawn}-{HELD_OUT_SEED}-{PHOTO_SIZE}px-v{VERSION}"
    folder = uris.join(config.output, PEOPLE, name)
    if not uris.exists(uris.join(folder, TRUTH)):  # it is written last
        assert config.drawn is not None
        uris.remove(folder, recursive=True)
        write_sample_portraits(folder, config.drawn, HELD_OUT_SEED, PHOTO_SIZE)
    return folder


def find_portraits(config: ComparisonConfig, job: StylizeJob, people: str | None) -> PortraitSet:
    """Return the portraits that a job has aligned and inverted, those of one photo once.

    Raises:
        NoInputError: there is none; says why.
    """
    lost: list[tuple[str, str]] = []
    firsts: dict[str, _Outcome] = {}
    repeats: set[tuple[int, str]] = set()
    division: dict[int, list[str]] = {}
    for shard in range(job.totals.shards):
        for record_id, outcome in _outcomes(job.chain, shard).items():
            first, again = firsts.get(record_id), outcome.names
            if first is not None:
                repeats.add((shard, record_id))
            elif outcome.reason:
                lost += [(name, outcome.reason) for name in outcome.names]
                continue
            else:
                first, again = outcome, outcome.names[1:]
                firsts[record_id] = outcome
                division.setdefault(shard, []).append(record_id)
            same = f"the same photo as {first.names[0]}, which stands for both"
            lost += [(name, same) for name in again]
    if not firsts:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in lost[:3])
        raise NoInputError(
            f"none of {job.totals.listed} photos of {uris.redact(config.portraits)} can be "
            f"stylized: {reasons}"
        )
    made_by = [recipe.fingerprint for recipe in job.chain]
    contents = {record_id: outcome.contents for record_id, outcome in firsts.items()}
    names = Counter(outcome.names[0] for outcome in firsts.values())
    return PortraitSet(
        output=config.output,
        digest=fingerprint(made_by, contents),
        shards=tuple(division),
        listed=job.totals.listed,
        lost=tuple(lost),
        people=people,
        twice=frozenset(name for name, count in names.items() if count > 1),
        division=fingerprint([*division.items()]),
        repeats=frozenset(repeats),
    )


@dataclass
class _Outcome:
    """What became of a portrait in a shard."""

    names: list[str] = field(default_factory=list[str])
    """Of its photos: several where one photo is there several times."""
    reason: str = ""
    """Why it is lost; empty where it is not."""
    contents: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    """Stage -> what its row says that determines the portrait."""


def _outcomes(chain: tuple[Recipe, ...], shard: int) -> dict[str, _Outcome]:
    """Return what became of the portraits of a shard, by record id."""
    found: dict[str, _Outcome] = {}
    for recipe in chain:
        commit = recipe.table().read_commit(shard)
        given = _CONTENTS[recipe.stage]
        columns = ("record_id", "status", "error", *given, *(("uri",) * recipe.takes_photos))
        for row in recipe.table().read_columns(commit, columns) if commit else ():
            outcome = found.setdefault(row["record_id"], _Outcome())
            if "uri" in row:
                outcome.names.append(uris.file_name(row["uri"]))
            outcome.contents.setdefault(recipe.stage, [_plain(row[name]) for name in given])
            if row["status"] != Status.OK:
                error = row["error"] or {}
                outcome.reason = f"{error.get('stage')}: {error.get('message')}"
    return found


def _plain(value: Any) -> Any:
    """Return a value of a column for a digest: of vectors, the bytes that tables hold."""
    return np.asarray(value, np.float32).tobytes() if isinstance(value, list) else value


@kept
def read_portraits(portraits: PortraitSet, shard: int) -> tuple[Portrait, ...]:
    """Return the portraits of a shard that can be stylized, with their pictures.

    They are kept in this process, since every cell asks for them again.
    """
    found: dict[str, AlignedRecord] = {}
    inverted: list[InvertedRecord] = []
    for stage in ("align", "invert"):
        table = stage_table(portraits.output, stage)
        commit = table.read_commit(shard)
        for row in table.read_rows(commit) if commit else ():
            record = row.record
            if record.status is not Status.OK:
                continue
            if isinstance(record, AlignedRecord):
                found.setdefault(record.record_id, record)
            elif (shard, record.record_id) in portraits.repeats:
                continue
            elif isinstance(record, InvertedRecord):
                inverted.append(record)
    known: list[Portrait] = []
    for code in inverted:
        if (photo := found.get(code.record_id)) is not None:
            file = uris.file_name(photo.uri)
            name = f"{file} {code.record_id}" if file in portraits.twice else file
            known.append(Portrait(name, file, photo, code))
    return tuple(known)


@lru_cache(maxsize=4)
def read_people(folder: str) -> dict[str, tuple[int, tuple[float, ...]]]:
    """Return the number of each drawn person and the camera of its crop, by the photo's name."""
    import pyarrow.parquet as pq

    data = uris.read_bytes(uris.join(folder, TRUTH))
    rows = pq.read_table(io.BytesIO(data), columns=["uri", "person", "camera"]).to_pylist()
    return {row["uri"]: (row["person"], tuple(row["camera"])) for row in rows}
