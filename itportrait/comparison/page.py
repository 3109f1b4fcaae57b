"""Make the page of a comparison from its tables and the pictures of its cells."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from itportrait.comparison.cells import Cell
from itportrait.comparison.config import MeasuresConfig
from itportrait.comparison.names import PORTRAIT_METRICS
from itportrait.comparison.portraits import Portrait, PortraitSet, read_portraits
from itportrait.comparison.report import PAGE, PORTRAITS, SCORES
from itportrait.comparison.scoring import CellScores, read_cell
from itportrait.comparison.tables import PORTRAITS_SCHEMA, SCORES_SCHEMA, VIEWS, read_table
from itportrait.comparison.warm import Target, drawn_person, read_references, warm_base
from itportrait.image import decode, to_uint8
from itportrait.io import uris
from itportrait.pages.comparison import (
    ComparedDomain,
    ComparedFailure,
    ComparedMethod,
    ComparedPicture,
    ComparedPortrait,
    ComparedScore,
    Comparison,
    Views,
    encode_views,
    render_comparison,
)
from itportrait.records import Status

if TYPE_CHECKING:
    import torch

_SCORE_FIELDS = [each.name for each in fields(ComparedScore)]


@dataclass(frozen=True, kw_only=True)
class PageJob:
    """Everything that the page needs, as plain data.

    Args:
        bundle: the base model.
        portraits: that were stylized.
        targets: prompt, references and truth by domain.
        methods: columns of the page.
        cells: whose pictures are shown.
        failures: cells without scores, of all seeds.
        count: number of portraits to show.
        align, measures: JSON of the settings.
        settings: facts for the folded section.
        config: text of the resolved configuration.
        footer: line at the end.
        judges: sentences on what measures the figures.
    """

    bundle: str
    portraits: PortraitSet
    targets: Mapping[str, Target]
    methods: tuple[ComparedMethod, ...]
    cells: tuple[tuple[Cell, CellScores], ...]
    failures: tuple[ComparedFailure, ...]
    count: int
    align: str
    measures: str
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    config: str = ""
    footer: str = ""
    judges: tuple[str, ...] = ()


def make_page(job: PageJob, device: str) -> str:
    """Write `OUT/index.html`, and return its URI."""
    output = job.portraits.output
    shown = _shown(job, device)
    names = {portrait.record_id: portrait.name for portrait, _ in shown}
    side = MeasuresConfig.model_validate_json(job.measures).side_deg
    pictures = [
        _picture(cell, row, names[row["record_id"]])
        for cell, scores in job.cells
        for row in read_cell(output, cell, scores, views=True)
        if row["status"] == Status.OK and row["record_id"] in names
    ]
    stylized: Sequence[dict[str, Any]] = read_table(output, PORTRAITS, PORTRAITS_SCHEMA)
    comparison = Comparison(
        methods=job.methods,
        domains=[_domain(job, name, device) for name in job.targets],
        portraits=[_portrait(job, portrait, base) for portrait, base in shown],
        scores=list(_scores(output)),
        pictures=pictures,
        failures=[*job.failures, *_portrait_failures(stylized)],
        lost=job.portraits.lost,
        portrait_count=len({row["record_id"] for row in stylized}),
        view_names=["own view", f"yaw {-side:+.0f}°", "front", f"yaw {side:+.0f}°"],
        settings=job.settings,
        config=job.config,
        judges=job.judges,
    )
    subtitle = f"{len(job.methods)} methods in {len(job.targets)} domains"
    page = render_comparison(comparison, subtitle=subtitle, footer=job.footer)
    uri = uris.join(output, PAGE)
    uris.put_bytes(uri, page.encode())
    return uri


def _shown(job: PageJob, device: str) -> "list[tuple[Portrait, torch.Tensor]]":
    """Return the first portraits with the pictures of the generator that was not adapted."""
    from itportrait.comparison.measures import pictures_of

    found: list[tuple[Portrait, torch.Tensor]] = []
    for shard in job.portraits.shards:
        if len(found) >= job.count:
            break
        portraits = read_portraits(job.portraits, shard)
        base = warm_base(job.portraits, shard, job.measures, job.bundle, device)
        pictures = [picture for batch in base for picture in pictures_of(batch)]
        found += zip(portraits, pictures, strict=True)
    return found[: job.count]


def _portrait_failures(stylized: Sequence[dict[str, Any]]) -> Iterator[ComparedFailure]:
    """Yield the portraits of all seeds that a method could not stylize."""
    for row in stylized:
        if row["status"] != Status.OK:
            yield ComparedFailure(
                row["label"], row["domain"], row["error"], row["seed"], row["portrait"]
            )


def _picture(cell: Cell, row: dict[str, Any], name: str) -> ComparedPicture:
    figures = {metric: row[metric] for metric in PORTRAIT_METRICS if row[metric] is not None}
    views = encode_views([decode(data) for data in row[VIEWS]])
    return ComparedPicture(cell.label, cell.domain, cell.seed, name, views, figures)


def _domain(job: PageJob, name: str, device: str) -> ComparedDomain:
    target = job.targets[name]
    references = read_references(job.bundle, device, target, job.align)
    shown = None if references is None else encode_views(list(to_uint8(references[:1])))
    return ComparedDomain(name, target.prompt, shown)


def _portrait(job: PageJob, portrait: Portrait, base: "torch.Tensor") -> ComparedPortrait:
    from itportrait.evaluate import true_views

    side = MeasuresConfig.model_validate_json(job.measures).side_deg
    truth: dict[str, Views] = {}
    if job.portraits.people is not None:
        person, camera = drawn_person(job.portraits.people, portrait)
        for name, target in job.targets.items():
            if target.drawn is not None:
                views = true_views(target.drawn, person, camera, base.shape[-1], side)
                truth[name] = encode_views(views)
    photo = portrait.aligned.pixels
    return ComparedPortrait(
        portrait.name,
        None if photo is None else encode_views([photo]),
        encode_views(list(to_uint8(base))),
        truth,
    )


def _scores(output: str) -> Iterator[ComparedScore]:
    """Yield the scores over all seeds, and those of each seed over all domains."""
    rows: Sequence[dict[str, Any]] = read_table(output, SCORES, SCORES_SCHEMA)
    several = len({row["seed"] for row in rows}) > 2
    for row in rows:
        if row["seed"] is None or (several and row["domain"] is None):
            yield ComparedScore(**{name: row[name] for name in _SCORE_FIELDS})
