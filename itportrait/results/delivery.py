"""Write the configured files of one shard of one domain, and mark them as done.

A shard's marker is written after its files and bears the fingerprint of all that determined them.
What a former marker named and the new one does not is stale; it is removed when all shards are
done, since the same photo in another shard has the same folder. One file that cannot be made is a
line in the marker, and `--retry failed` tries it again. Where they go: `deliverables.py`.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from itportrait.config import fingerprint
from itportrait.documents import build
from itportrait.errors import InvalidArgumentError
from itportrait.image import encode
from itportrait.io import uris
from itportrait.io.commits import COMMITS, Commit, StageTable
from itportrait.io.names import check_path, numbers_of, resolve_under
from itportrait.io.parquet import Row
from itportrait.pages.depth import encode_depth
from itportrait.photos.colors import from_srgb, was_converted
from itportrait.photos.decoding import decode_picture
from itportrait.photos.files import read_source
from itportrait.records import (
    AlignedRecord,
    InvertedRecord,
    RecordError,
    Source,
    Status,
    StylizedRecord,
)
from itportrait.stages.recipe import Recipe
from itportrait.stages.shards import Shard
from itportrait.stylize.config import DeliverablesConfig
from itportrait.stylize.stage import build_stylizer
from itportrait.text import restored

if TYPE_CHECKING:
    import trimesh

    from itportrait.meshes import MeshColors
    from itportrait.stylize import Stylizer

FOLDER, STAGE = "deliverables", "deliver"
DELIVERABLES_VERSION = 5
"""Version of the code that makes the files; it is raised when the files change."""


@dataclass(frozen=True)
class Delivery:
    """The files of one shard of one domain; the content of its marker."""

    fingerprint: str
    """Digest of everything that determined the files; empty where the shard has no stylized
    portraits."""
    portraits: int = 0
    files: tuple[str, ...] = ()
    """Paths below `OUT/deliverables/domain=NAME`."""
    errors: tuple[dict[str, str], ...] = ()
    """File, error type and message of each file that could not be made."""
    seconds: float = 0.0
    """Seconds of making and writing, without the loading of models."""
    stale: tuple[str, ...] = ()
    """Paths that this shard does not need any more; see `sweep`."""
    portrayed: str = ""
    """`digest_of` the stylized portraits that the files show; "" in older markers."""

    def shows(self, commit: Commit) -> bool:
        """Tell whether the files show these stylized portraits; where it is unknown, they do."""
        return not self.portrayed or self.portrayed == digest_of(commit)


def digest_of(commit: Commit) -> str:
    """Return a digest of stylized portraits and of all that determined them."""
    return fingerprint(commit.fingerprint, commit.outputs)


@dataclass(frozen=True, kw_only=True)
class DeliveryTask:
    """One shard of one domain.

    Args:
        config: which files.
        recipe: the domain's stylize stage.
        before: the domain before it, for the films between domains.
        shard: its sources are used where the photo is needed.
        portraits: at most so many.
    """

    config: DeliverablesConfig
    recipe: Recipe
    shard: Shard
    before: Recipe | None = None
    portraits: int | None = None

    @property
    def root(self) -> str:
        """Return the folder of the domain's files."""
        return domain_root(self.recipe)

    @property
    def marker(self) -> str:
        """Return the URI of the shard's marker."""
        return marker_of(self.root, self.shard.index)

    def fingerprint_of(self, commit: Commit) -> str:
        """Return a digest of all that determines the files of a shard of stylized portraits."""
        before = self.before.fingerprint if self.before else None
        parts = [self.config, commit.fingerprint, commit.outputs, before, self.portraits]
        return fingerprint(DELIVERABLES_VERSION, *parts)


def domain_root(recipe: Recipe) -> str:
    """Return the folder of a domain's files."""
    return root_of(recipe.output, recipe.domain)


def root_of(output: str, domain: str) -> str:
    """Return the folder of the files of a domain of an output."""
    return uris.join(output, FOLDER, f"domain={domain}")


def marker_of(root: str, shard: int) -> str:
    """Return the URI of the marker of a shard's files, which lie in `root`."""
    return uris.join(root, COMMITS, f"{shard:05d}.json")


def deliver(task: DeliveryTask) -> Delivery | None:
    """Make the files of one shard of one domain, unless they stand.

    Returns:
        What is there now, or None where the shard neither has nor had stylized portraits.

    Raises:
        OutputError: no space or no permission; names the path.
        OSError: storage failed; to be tried again.
    """
    commit = task.recipe.table().read_commit(task.shard.index)
    standing = read_delivery(task.marker)
    former = {*standing.files, *standing.stale} if standing else set()
    if commit is None:
        return _mark(task.marker, Delivery("", stale=tuple(sorted(former)))) if standing else None
    target = task.fingerprint_of(commit)
    redo = task.recipe.retry_failed and standing is not None and standing.errors
    if standing is not None and standing.fingerprint == target and not redo:
        return standing
    files: list[str] = []
    errors: list[dict[str, str]] = []
    count, seconds = 0, 0.0
    for portrait in _portraits(task, commit):
        count += 1
        for name, make in _makers(task, portrait):
            path = uris.join(portrait.styled.record_id, name)
            start = time.perf_counter()
            error = _write(make, task.root, path)
            seconds += time.perf_counter() - start
            if error is None:
                files.append(path)
            else:
                message = uris.redact(error.message)
                errors.append({"file": path, "type": error.type, "message": message})
    stale = tuple(sorted(former - set(files)))
    made = Delivery(
        target, count, tuple(files), tuple(errors), round(seconds, 3), stale, digest_of(commit)
    )
    return _mark(task.marker, made)


def _write(make: Callable[[], bytes], root: str, path: str) -> RecordError | None:
    """Make a file; an error of making is returned, one of the storage raised."""
    try:
        place = resolve_under(root, path, what="record_id")
        data = make()
    # Whatever one portrait does to the code, the others get their files.
    except Exception as error:
        return RecordError.of(STAGE, error)[1]
    uris.put_bytes(place, data)
    return None


def _mark(marker: str, made: Delivery) -> Delivery:
    uris.put_bytes(marker, uris.to_json(asdict(made)))
    return made


def read_delivery(marker: str) -> Delivery | None:
    """Return what a shard's marker says, or None where there is none.

    Raises:
        InvalidArgumentError: it is damaged, or names a file outside of the domain's folder.
    """
    data = uris.read_json(marker)
    if data is None:
        return None
    made = build(Delivery, data, uris.redact(marker))
    for path in (*made.files, *made.stale):
        check_path(path, f"a file of {uris.redact(marker)}")
    return made


def sweep(root: str, shards: int, *, stale: bool) -> None:
    """Remove the files of a domain that no shard of a finished run has, and then their traces.

    Args:
        root: folder of the domain's files.
        shards: how many the run has; markers of further ones go, with what they name.
        stale: whether a marker names stale files. If not, and no shard is gone, none is read.
    """
    folder = uris.join(root, COMMITS)
    numbers = numbers_of(uris.list_names(folder))
    markers = {number: uris.join(folder, f"{number:05d}.json") for number in numbers}
    gone = {marker for number, marker in markers.items() if number >= shards}
    if not gone and not stale:
        return
    unneeded: set[str] = set()
    spent: dict[str, Delivery | None] = {}
    for marker, made in _read_all(markers.values()):
        if marker in gone or not made.fingerprint:
            unneeded.update(made.files, made.stale)
            spent[marker] = None
        elif made.stale:
            unneeded.update(made.stale)
            spent[marker] = replace(made, stale=())
    for marker, made in _read_all(markers.values()):
        if spent.get(marker, made) is not None:
            unneeded.difference_update(made.files)
    for path in sorted(unneeded):
        uris.remove(resolve_under(root, path))
    for marker, made in spent.items():
        if made is None:
            uris.remove(marker)
        else:
            _mark(marker, made)


def _read_all(markers: Iterable[str]) -> Iterator[tuple[str, Delivery]]:
    """Yield markers one at a time: memory does not grow with the files that they name."""
    for marker in markers:
        made = read_delivery(marker)
        if made is not None:
            yield marker, made


@dataclass(frozen=True)
class _Portrait:
    source: Source
    aligned: AlignedRecord
    code: InvertedRecord
    styled: StylizedRecord


def _portraits(task: DeliveryTask, commit: Commit) -> Iterator[_Portrait]:
    """Yield the portraits of a shard that are ok, as many as are wanted, in order."""
    recipe, index = task.recipe, task.shard.index
    sources = _sources(task) if task.config.pasted else {}
    aligned: dict[str, tuple[Source, AlignedRecord]] = {}
    codes: dict[str, InvertedRecord] = {}
    for kind in (AlignedRecord, InvertedRecord):
        for row in _good_rows(recipe.upstream(kind), index):
            record = row.record
            if isinstance(record, InvertedRecord):
                codes[record.record_id] = record
            elif isinstance(record, AlignedRecord):
                source = sources.get(record.record_id) or Source(uri=restored(record.uri))
                aligned.setdefault(record.record_id, (source, record))
    rows = recipe.table().read_rows(commit, pixels=task.config.pasted)
    styled = [row.record for row in rows if row.record.status is Status.OK]
    for record in styled[: task.portraits]:
        assert isinstance(record, StylizedRecord)
        if record.record_id in aligned and record.record_id in codes:
            yield _Portrait(*aligned[record.record_id], codes[record.record_id], record)


def _sources(task: DeliveryTask) -> dict[str, Source]:
    """Return the photos of a shard's portraits, by the record's id.

    The rows of the first stage alone have the keys of photos.
    """
    photos = dict(zip(task.shard.keys(), task.shard.sources, strict=True))
    found: dict[str, Source] = {}
    for row in _good_rows(task.recipe.upstream(task.recipe.before[0]), task.shard.index):
        if row.key in photos:
            found.setdefault(row.record.record_id, photos[row.key])
    return found


def _good_rows(table: StageTable, shard: int) -> list[Row]:
    """Return the rows of a shard that are ok, without their pictures."""
    commit = table.read_commit(shard)
    rows = table.read_rows(commit, pixels=False) if commit else []
    return [row for row in rows if row.record.status is Status.OK]


def _makers(task: DeliveryTask, portrait: _Portrait) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield the name of each file that is wanted, and what makes it."""
    config, domain, code = task.config, task.recipe.domain, portrait.code
    fitted = portrait.styled.fitted
    stylizer = build_stylizer(task.recipe)
    if config.pasted:
        mask = partial(stylizer.head_mask, code, domain, fitted=fitted)
        yield "pasted.png", partial(_pasted, portrait, config.feather, mask)
    films: list[tuple[str, tuple[str, ...], Callable[[], Any]]] = [
        ("turntable", config.turntable, partial(stylizer.turntable, code, domain, fitted=fitted)),
        (
            "strength",
            config.strength,
            partial(stylizer.interpolate, code, None, domain, config.frames, fitted=fitted),
        ),
    ]
    if task.before is not None:
        films.append((f"from_{task.before.domain}", config.between, partial(_between, task, code)))
    for name, kinds, frames in films:
        kept = _Once(frames)
        for kind in kinds:
            yield f"{name}.{kind}", partial(_film, kept, kind)
    if config.depth:
        yield "depth.png", lambda: encode_depth(stylizer.depth_map(code, domain, fitted=fitted))
    bare, painted = (
        _Once(partial(_surface, stylizer, portrait, domain, config.mesh_resolution, colors))
        for colors in ("vertices", "texture")
    )
    for kind in config.mesh:
        textured = kind == "glb" and config.mesh_texture
        yield f"mesh.{kind}", partial(_mesh, painted if textured else bare, kind)


class _Once:
    """Makes a value when it is first asked for, to be shared by several files of one kind."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make, self.value = make, None

    def __call__(self) -> Any:
        if self.value is None:
            self.value = self.make()
        return self.value


def _pasted(portrait: _Portrait, feather: float, mask: Callable[[], np.ndarray]) -> bytes:
    from itportrait.stylize.paste import color_profile, paste_back

    if portrait.aligned.crop is None or not portrait.styled.pixels:
        raise InvalidArgumentError(
            "record",
            expected="a crop and a view",
            actual=portrait.styled.record_id,
            remedy="run the align and stylize stages again",
        )
    data = read_source(portrait.source)
    view, profile = portrait.styled.pixels[0], color_profile(data)
    # The photo keeps its own colors where they have an RGB profile, and the view joins them. Rows
    # of release 0.1 have views in these colors already, and no note that says otherwise.
    converted = was_converted(portrait.aligned.color_note)
    if converted and profile is not None:
        view = from_srgb(view, profile)
    photo = decode_picture(data, convert_colors=converted and profile is None).pixels
    made = paste_back(photo, view, portrait.aligned.crop, feather=feather, head=mask())
    return encode(made, profile=profile)


def _between(task: DeliveryTask, code: InvertedRecord) -> Any:
    """Render the way from the domain before to this one."""
    from itportrait.stylize import Stylizer

    assert task.before is not None  # `_makers` asks for no film otherwise
    own, other = build_stylizer(task.recipe), build_stylizer(task.before)
    both = Stylizer(own.config, own.bundle, {**other.styles, **own.styles})
    return both.interpolate(code, task.before.domain, task.recipe.domain, task.config.frames)


def _film(frames: Callable[[], Any], kind: str) -> bytes:
    from itportrait.pages.video import encode_mp4, encode_webp, film_rate

    shown, fps = film_rate(frames())
    return (encode_mp4 if kind == "mp4" else encode_webp)(shown, fps=fps)


def _surface(
    stylizer: "Stylizer",
    portrait: _Portrait,
    domain: str,
    resolution: int,
    colors: "MeshColors",
) -> "trimesh.Trimesh":
    from itportrait.meshes import MeshOptions, make_mesh

    bound = stylizer.bind(portrait.code, domain, fitted=portrait.styled.fitted)
    return make_mesh(bound, stylizer.bundle.orbit, colors, MeshOptions(resolution=resolution))


def _mesh(surface: Callable[[], Any], kind: str) -> bytes:
    from itportrait.meshes import encode_mesh

    return encode_mesh(surface(), kind)
