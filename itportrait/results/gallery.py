"""The last step of the main job: gallery, contact sheet, turntables and meshes that turn."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from itportrait.align.config import AlignConfig
from itportrait.align.encoder_camera import EncoderCamera
from itportrait.align.stage import AlignStage
from itportrait.bank.version import BankVersion, read_version
from itportrait.bundle.warm import warm_bundle
from itportrait.config import fingerprint
from itportrait.errors import ItportraitError
from itportrait.image import encode
from itportrait.io import uris
from itportrait.io.commits import StageTable
from itportrait.pages.contact_sheet import contact_sheet
from itportrait.pages.gallery import GalleryDomain, GalleryPortrait, render_gallery
from itportrait.pages.page import tracking_link
from itportrait.photos.files import read_photo
from itportrait.records import AlignedRecord, InvertedRecord, Record, Source, Status, StylizedRecord
from itportrait.results.films import make_films, with_films
from itportrait.results.meshes import make_meshes, with_meshes
from itportrait.results.standing import Marker
from itportrait.stages.recipe import Recipe
from itportrait.text import restored

log = logging.getLogger(__name__)
FOLDER, MARKER = "gallery", "_commit.json"
GALLERY_VERSION = 4
"""Version of this module's code; it is raised when its files change."""


@dataclass(frozen=True, kw_only=True)
class GalleryJob:
    """What is to be shown.

    Args:
        output: the job's output folder.
        chain: recipes of the stages that every photo goes through, the first one first.
        stylize: recipes of the domains, in the order to show them.
        portraits: how many at most.
        turntables: how many of them get a film and turn through its frames, in every domain; None:
            all.
        meshes: how many of them have a mesh that turns, in every domain that has a density.
        review: whether there is a review page to link to.
        tracking: URI of the tracking service, without secrets.
        counts: inputs by status, for the heading.
        means: domain -> measure -> mean over the run.
        inputs: digest of all that is shown: equal means the gallery stands.
    """

    output: str
    chain: tuple[Recipe, ...]
    stylize: tuple[Recipe, ...]
    portraits: int
    turntables: int | None
    meshes: int = 0
    review: bool = True
    tracking: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    means: dict[str, dict[str, float]] = field(default_factory=dict)
    inputs: str = ""

    @property
    def fingerprint(self) -> str:
        """Return a digest of all that determines the files."""
        recipes = [recipe.fingerprint for recipe in (*self.chain, *self.stylize)]
        shown = [self.portraits, self.turntables, self.review, self.tracking, self.counts]
        if self.meshes:  # galleries without, as of earlier releases, are the same as ever
            shown.append(self.meshes)
        return fingerprint(GALLERY_VERSION, recipes, shown, self.inputs)

    @property
    def marker(self) -> Marker:
        """Return the mark of this very gallery."""
        return Marker(uris.join(self.output, FOLDER, MARKER), self.fingerprint)


def make_gallery(job: GalleryJob) -> list[str]:
    """Write the gallery's files, the marker last.

    Returns:
        Names of the files, below `OUT/gallery`.

    Raises:
        OutputError: no space or no permission; names the path.
    """
    job.marker.lift()
    versions = {recipe.domain: read_version(recipe.adapter) for recipe in job.stylize}
    portraits = _worst_last(_collect(job), _distances(job))
    turning = [p for p in portraits if p.inverted and p.inverted.status is Status.OK]
    films = []
    for film in make_films(job.stylize, turning[: job.turntables]):
        # Many films of many portraits are too much for the memory.
        uris.put_bytes(uris.join(job.output, FOLDER, film.name), film.data)
        films.append(replace(film, data=b""))
    portraits = [with_films(portrait, films) for portrait in portraits]
    meshes = list(make_meshes(job.stylize, turning[: job.meshes]))
    portraits = [with_meshes(portrait, meshes) for portrait in portraits]
    files = {mesh.name: mesh.data for mesh in meshes}
    files["index.html"] = _page(job, portraits, versions, sheet=bool(turning)).encode()
    if turning:
        files["contact_sheet.png"] = _sheet(job, turning)
    for name, data in files.items():
        uris.put_bytes(uris.join(job.output, FOLDER, name), data)
    names = sorted([*files, *(film.name for film in films)])
    job.marker.write(files=names)
    return names


def _collect(job: GalleryJob) -> list[GalleryPortrait]:
    """Read the first portraits of the run, shard by shard, until there are enough."""
    portraits: list[GalleryPortrait] = []
    photos, codes = (job.stylize[0].upstream(kind) for kind in (AlignedRecord, InvertedRecord))
    for commit in photos.commits():
        if len(portraits) >= job.portraits:
            break
        aligned = [row.record for row in photos.read_rows(commit)]
        inverted = _by_id(codes, commit.shard)
        stylized = {r.domain: _by_id(r.table(), commit.shard) for r in job.stylize}
        for record in aligned[: job.portraits - len(portraits)]:
            assert isinstance(record, AlignedRecord)
            code = inverted.get(record.record_id)
            portraits.append(
                GalleryPortrait(
                    name=record.uri.rsplit("/", 1)[-1],
                    aligned=record,
                    photo=_photo(record),
                    inverted=code if isinstance(code, InvertedRecord) else None,
                    stylized={
                        domain: row
                        for domain, rows in stylized.items()
                        if isinstance(row := rows.get(record.record_id), StylizedRecord)
                    },
                )
            )
    return portraits


def _distances(job: GalleryJob) -> Callable[[np.ndarray], float | None]:
    """Return what tells how far a crop is from what the models draw; None within their domain.

    The limit is that up to which alignment believes the encoder; where it asks none, nothing is
    said.
    """
    recipe = next((recipe for recipe in job.chain if recipe.stage == AlignStage.name), None)
    config = AlignConfig.model_validate_json(recipe.config) if recipe else AlignConfig()
    limit = config.encoder_camera_distance
    if not limit:
        return lambda pixels: None
    drawing = job.stylize[0]
    encoder = EncoderCamera(warm_bundle(drawing.bundle, drawing.device), limit)

    def distance(pixels: np.ndarray) -> float | None:
        found = encoder.distance(pixels)
        return found if found > limit else None

    return distance


def _worst_last(
    portraits: Sequence[GalleryPortrait], distance: Callable[[np.ndarray], float | None]
) -> list[GalleryPortrait]:
    """Mark the portraits outside of the models' domain, and put them last, the worst at the end."""
    marked = [
        portrait
        if portrait.aligned.pixels is None
        else replace(portrait, unlike=distance(portrait.aligned.pixels))
        for portrait in portraits
    ]
    return sorted(marked, key=lambda portrait: portrait.unlike or 0.0)


def _by_id(table: StageTable, shard: int) -> dict[str, Record]:
    commit = table.read_commit(shard)
    if commit is None:
        return {}
    return {row.record.record_id: row.record for row in table.read_rows(commit)}


def _photo(record: AlignedRecord) -> np.ndarray | None:
    """Return the input as a small picture, or None where it cannot be decoded or read again."""
    if record.status is Status.FAILED:
        return None
    try:
        return read_photo(Source(uri=restored(record.uri))).pixels
    except (ItportraitError, OSError, ValueError) as error:
        # Photos out of archives, or behind credentials, are not read a second time.
        log.info("no picture of %s in the gallery: %s", record.uri, error)
        return None


def _page(
    job: GalleryJob,
    portraits: Sequence[GalleryPortrait],
    versions: dict[str, BankVersion],
    *,
    sheet: bool,
) -> str:
    domains = []
    for recipe in job.stylize:
        version = versions[recipe.domain]
        pictures = version.reference_pictures()
        domains.append(
            GalleryDomain(
                recipe.domain,
                prompt=version.spec.get("prompt"),
                reference=pictures[0] if pictures else None,
                metrics={**version.metrics, **job.means.get(recipe.domain, {})},
                warnings=version.warnings,
            )
        )
    total = sum(job.counts.values())
    return render_gallery(
        portraits,
        domains,
        subtitle=f"{total:,} inputs; "
        + ("all are shown" if total == len(portraits) else f"the first {len(portraits)} are shown"),
        footer=f"fingerprint {job.fingerprint}",
        views=_view_names(job),
        links=_links(job, sheet),
        counts=job.counts,
    )


def _links(job: GalleryJob, sheet: bool) -> dict[str, str]:
    links = {"Report": "../report.html"}
    if job.review:
        links["Review"] = "review.html"
    if sheet:
        links["Contact sheet"] = "contact_sheet.png"
    return links | tracking_link(job.tracking)


def _view_names(job: GalleryJob) -> list[str]:
    config: dict[str, Any] = json.loads(job.stylize[0].config) if job.stylize else {}
    sides = [f"{yaw:+.0f}°" if round(yaw) else "front" for yaw, _ in config.get("views_deg", ())]
    return ["own view", *sides]


def _sheet(job: GalleryJob, portraits: Sequence[GalleryPortrait]) -> bytes:
    domains = [recipe.domain for recipe in job.stylize]
    rows = []
    for portrait in portraits:
        code = portrait.inverted.pixels if portrait.inverted else None
        first = [portrait.aligned.pixels, code]
        styled = [portrait.stylized.get(domain) for domain in domains]
        rows.append([*first, *(r.pixels[0] if r and r.pixels else None for r in styled)])
    columns = ["aligned", "inverted", *domains]
    return encode(contact_sheet(rows, columns=columns, names=[p.name for p in portraits]))
