"""Lay the pictures of its cells into the page of a comparison, and write it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from itportrait.comparison.cells import Cell
from itportrait.comparison.config import MeasuresConfig
from itportrait.comparison.given import Target
from itportrait.comparison.names import PORTRAIT_METRICS
from itportrait.comparison.portraits import Portrait, PortraitSet, read_portraits
from itportrait.comparison.report import PAGE
from itportrait.comparison.scoring import CellScores, read_cell
from itportrait.comparison.tables import VIEWS
from itportrait.comparison.warm import drawn_person, read_references, warm_base
from itportrait.image import decode, to_uint8
from itportrait.io import uris
from itportrait.pages.comparison import (
    ComparedDomain,
    ComparedPicture,
    ComparedPortrait,
    Comparison,
    Views,
    encode_views,
    render_comparison,
)
from itportrait.records import Status

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class PageJob:
    """Everything that the page needs, as plain data.

    Args:
        bundle: the base model.
        portraits: that were stylized.
        targets: prompt, references and truth by domain.
        comparison: all that is shown but the pictures.
        cells: whose pictures are shown.
        count: number of portraits to show.
        align, measures: JSON of the settings.
        footer: line at the end.
    """

    bundle: str
    portraits: PortraitSet
    targets: Mapping[str, Target]
    comparison: Comparison
    cells: tuple[tuple[Cell, CellScores], ...]
    count: int
    align: str
    measures: str
    footer: str = ""

    @property
    def side_deg(self) -> float:
        """Return the yaw of the side views, in degrees."""
        return MeasuresConfig.model_validate_json(self.measures).side_deg


def make_page(job: PageJob, device: str) -> str:
    """Write `OUT/index.html`, and return its URI."""
    output = job.portraits.output
    shown = _shown(job, device)
    names = {portrait.record_id: portrait.name for portrait, _ in shown}
    comparison = replace(
        job.comparison,
        domains=[_domain(job, domain, device) for domain in job.comparison.domains],
        portraits=[_portrait(job, portrait, base) for portrait, base in shown],
        pictures=[
            _picture(cell, row, names[row["record_id"]])
            for cell, scores in job.cells
            for row in read_cell(output, cell, scores, views=True)
            if row["status"] == Status.OK and row["record_id"] in names
        ],
        view_names=["own view", f"yaw {-job.side_deg:+.0f}°", "front", f"yaw {job.side_deg:+.0f}°"],
    )
    subtitle = f"{len(comparison.methods)} methods in {len(comparison.domains)} domains"
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


def _picture(cell: Cell, row: dict[str, Any], name: str) -> ComparedPicture:
    figures = {metric: row[metric] for metric in PORTRAIT_METRICS if row[metric] is not None}
    views = encode_views([decode(data) for data in row[VIEWS]])
    return ComparedPicture(cell.label, cell.domain, cell.seed, name, views, figures)


def _domain(job: PageJob, domain: ComparedDomain, device: str) -> ComparedDomain:
    references = read_references(job.bundle, device, job.targets[domain.name], job.align)
    shown = None if references is None else encode_views(list(to_uint8(references[:1])))
    return replace(domain, reference=shown)


def _portrait(job: PageJob, portrait: Portrait, base: "torch.Tensor") -> ComparedPortrait:
    from itportrait.evaluate import true_views

    truth: dict[str, Views] = {}
    if job.portraits.people is not None:
        person, camera = drawn_person(job.portraits.people, portrait)
        for name, target in job.targets.items():
            if target.drawn is not None:
                views = true_views(target.drawn, person, camera, base.shape[-1], job.side_deg)
                truth[name] = encode_views(views)
    photo = portrait.aligned.pixels
    return ComparedPortrait(
        portrait.name,
        None if photo is None else encode_views([photo]),
        encode_views(list(to_uint8(base))),
        truth,
    )
