"""One portrait: what became of a picture, how it looks in each domain, from any side."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from itportrait.errors import InvalidArgumentError, UnknownNameError
from itportrait.image import encode
from itportrait.interactive.film import Film
from itportrait.interactive.workplace import NoPortraitError, Workplace
from itportrait.pages.contact_sheet import contact_sheet, fitted
from itportrait.records import AlignedRecord, InvertedRecord, Record, Status, StylizedRecord
from itportrait.stages.recipe import Recipe

if TYPE_CHECKING:
    import trimesh

    from itportrait.meshes import MeshColors
    from itportrait.styles import BoundStyle
    from itportrait.stylize import Stylizer

_TILE = 160
"""Side of the pictures of one portrait in a notebook, in pixels."""


@dataclass(frozen=True)
class Tables:
    """Where the rows of portraits are.

    Args:
        work: which reads them.
        align: recipe of the stage.
        invert: the same.
        stylize: by the name of the domain.
        warnings: by the same, what people should know of it.
    """

    work: Workplace
    align: Recipe
    invert: Recipe
    stylize: Mapping[str, Recipe] = field(default_factory=dict)
    warnings: Mapping[str, list[str]] = field(default_factory=dict)


class Portrait:
    """A person of a picture, or why the picture shows none; made by `Portraits`.

    Args:
        tables: where its rows are.
        shard: which of them has the rows.
        aligned: the first row, without its pictures.
    """

    def __init__(self, tables: Tables, shard: int, aligned: AlignedRecord) -> None:
        self._tables, self._shard, self._row = tables, shard, aligned

    @property
    def uri(self) -> str:
        """Path or URI of the picture; of one in memory, its place in the list."""
        return self._row.uri

    @property
    def name(self) -> str:
        """The last part of the URI."""
        return self.uri.rstrip("/").rsplit("/", 1)[-1]

    @property
    def record_id(self) -> str:
        """What the portrait is known by in all tables."""
        return self._row.record_id

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the domains that it is stylized in."""
        return tuple(self._tables.stylize)

    @property
    def ok(self) -> bool:
        """Whether the picture became a portrait, in all of its domains."""
        return all(
            self.record(name, pixels=False).status is Status.OK for name in (None, *self.domains)
        )

    @property
    def reason(self) -> str:
        """Why it is not ok, in a sentence; "" if it is."""
        for name in (None, *self.domains):
            error = self.record(name, pixels=False).error
            if error is not None:
                return f"{error.type}: {error.message}"
        return ""

    def record(self, domain: str | None = None, *, pixels: bool = True) -> Record:
        """Return the row of the last stage that the portrait reached.

        Args:
            domain: name of a domain; None: as photographed.
            pixels: read the pictures, too; all else is read many times faster without them.

        Raises:
            UnknownNameError: it is stylized in no such domain.
            NoPortraitError: its rows are gone, or were made anew with other settings.
        """
        if domain is not None and domain not in self._tables.stylize:
            raise UnknownNameError("domain of these portraits", domain, list(self.domains))
        if self._row.status is not Status.OK:
            return self._row
        whole = pixels and domain is None
        row = self._read(self._tables.invert, pixels=whole)
        if row.status is not Status.OK and pixels and not whole:
            row = self._read(self._tables.invert)
        if domain is None or row.status is not Status.OK:
            return row
        return self._read(self._tables.stylize[domain], pixels=pixels)

    @property
    def aligned(self) -> Image.Image:
        """The picture's crop, as the generator frames people.

        Raises:
            NoPortraitError: no face was found, or the picture cannot be read.
        """
        row = self._read(self._tables.align) if self._row.status is Status.OK else self._row
        if not isinstance(row, AlignedRecord) or row.pixels is None:
            raise self._refusal(row)
        return Image.fromarray(row.pixels)

    def view(
        self,
        domain: str | None = None,
        *,
        yaw_deg: float | None = None,
        pitch_deg: float | None = None,
    ) -> Image.Image:
        """Return a picture of the portrait, from its own side or from another one.

        Args:
            domain: name of a domain; None: as photographed.
            yaw_deg: degrees to the side; 0 is from the front, positive moves the camera to the
                right of the picture. None, with `pitch_deg` None: as in the photo.
            pitch_deg: degrees; 0 is level, positive moves the camera down.

        Raises:
            NoPortraitError: there is no portrait, or none in this domain; says why.
            UnknownNameError: it is stylized in no such domain.
        """
        as_in_photo = yaw_deg is None and pitch_deg is None
        row = self._good(domain, pixels=as_in_photo)
        if as_in_photo:
            pixels = row.pixels[0] if isinstance(row, StylizedRecord) else _of(row)
            return Image.fromarray(pixels)
        return Image.fromarray(self._rendered(domain, yaw_deg or 0.0, pitch_deg or 0.0))

    def film(self, domain: str | None = None, *, frames: int | None = None) -> Film:
        """Return the portrait turning; `Film.save` writes it, and a notebook shows it.

        Args:
            domain: name of a domain; None: as photographed.
            frames: number of frames that are rendered; None: `stylize.turntable_frames` of the
                settings, which also say how far it turns. Fewer than one for each of three seconds
                are shown several times.

        Raises:
            NoPortraitError: there is no portrait, or none in this domain; says why.
            UnknownNameError: it is stylized in no such domain.
        """
        from itportrait.pages.video import film_rate

        fitted = _fitted(self._good(domain))
        made = self._stylizer(domain).turntable(self._code(), domain, frames, fitted=fitted)
        shown, fps = film_rate(made)
        return Film(shown, fps=fps)

    def mesh(
        self,
        domain: str | None = None,
        *,
        resolution: int = 160,
        colors: "MeshColors" = "vertices",
    ) -> "trimesh.Trimesh":
        """Return the colored surface; `mesh.export("head.glb")` writes it, also as PLY or OBJ.

        Args:
            domain: name of a domain; None: as photographed.
            resolution: samples along each side of the cube around the head.
            colors: the scene's own at the `vertices`, or a `texture` that is painted from renders;
                `itportrait.meshes.encode_mesh` writes a GLB whose texture needs no lights.

        Raises:
            NoPortraitError: there is no portrait, or none in this domain; says why.
            NoDensityError: the domain's style makes pictures alone.
            UnknownNameError: it is stylized in no such domain.
            InvalidArgumentError: `colors` is neither.
        """
        from itportrait.meshes import MeshOptions, make_mesh

        if colors not in ("vertices", "texture"):
            raise InvalidArgumentError("colors", expected="vertices or texture", actual=colors)
        orbit, options = self._tables.work.bundle.orbit, MeshOptions(resolution=resolution)
        surface = make_mesh(self._bound(domain), orbit, colors, options)
        surface.vertex_normals  # noqa: B018  (kept in the mesh, so that viewers shade it smoothly)
        return surface

    def metrics(self, domain: str | None = None) -> dict[str, float]:
        """Return what was measured, by name; {} of what is no portrait.

        Args:
            domain: name of a domain; None: how well the portrait resembles the photo.
        """
        row, recipes = self.record(domain, pixels=False), self._tables
        recipe = recipes.invert if domain is None else recipes.stylize[domain]
        if not isinstance(row, recipe.definition.record_type):
            return {}
        values = {name: getattr(row, name) for name in recipe.definition.measures}
        return {name: float(value) for name, value in values.items() if value is not None}

    def pictures(self, tile: int) -> list[np.ndarray | None]:
        """Return its line of a sheet: the crop, the portrait, and every domain, where there are.

        Args:
            tile: side in pixels that they are fitted into.
        """
        if self._row.status is not Status.OK:
            return [None] * (2 + len(self.domains))
        line: list[np.ndarray | None] = [np.asarray(fitted(np.asarray(self.aligned), tile))]
        for name in (None, *self.domains):
            good = self.record(name, pixels=False).status is Status.OK
            line.append(np.asarray(fitted(np.asarray(self.view(name)), tile)) if good else None)
        return line

    def __repr__(self) -> str:
        """Return its name, and its domains or the reason why it is none."""
        about = self.reason or ", ".join(self.domains) or "as photographed"
        return f"Portrait({self.name!r}: {about})"

    def _repr_png_(self) -> bytes:
        columns = ["aligned", "inverted", *self.domains]
        return encode(contact_sheet([self.pictures(_TILE)], columns=columns, tile=_TILE))

    def _read(self, recipe: Recipe, *, pixels: bool = True) -> Record:
        rows = self._tables.work.read(recipe, self._shard, pixels=pixels)
        if self.record_id not in rows:
            raise NoPortraitError(
                f"portrait {self.name!r} is not in {recipe.table().root} any more; make the "
                "Portraits again"
            )
        return rows[self.record_id]

    def _good(self, domain: str | None, *, pixels: bool = False) -> Record:
        row = self.record(domain, pixels=pixels)
        if row.status is not Status.OK:
            raise self._refusal(row, domain)
        return row

    def _refusal(self, row: Record, domain: str | None = None) -> NoPortraitError:
        why = f"{row.error.type}: {row.error.message}" if row.error else str(row.status)
        where = f" in domain {domain!r}" if domain else ""
        return NoPortraitError(f"{self.name!r} is no portrait{where}; {row.status}, {why}")

    def _code(self) -> InvertedRecord:
        row = self._read(self._tables.invert, pixels=False)
        assert isinstance(row, InvertedRecord)
        return row

    def _stylizer(self, domain: str | None) -> "Stylizer":
        return self._tables.work.stylizer(self._tables.stylize[domain] if domain else None)

    def _bound(self, domain: str | None) -> "BoundStyle":
        fitted = _fitted(self._good(domain))
        return self._stylizer(domain).bind(self._code(), domain, fitted=fitted)

    def _rendered(self, domain: str | None, yaw_deg: float, pitch_deg: float) -> np.ndarray:
        from itportrait.geometry.camera import look_at_camera
        from itportrait.stylize import render_frames

        for name, value in (("yaw_deg", yaw_deg), ("pitch_deg", pitch_deg)):
            if not abs(value) <= 90:
                raise InvalidArgumentError(name, expected="degrees from -90 to 90", actual=value)
        orbit = self._tables.work.bundle.orbit
        camera = look_at_camera(math.radians(yaw_deg), math.radians(pitch_deg), orbit)
        return render_frames(self._bound(domain), camera)[0]


def _of(row: Record) -> np.ndarray:
    pixels: Any = getattr(row, "pixels", None)
    assert pixels is not None  # rows that are ok have their pictures
    return pixels


def _fitted(row: Record) -> bytes | None:
    return row.fitted if isinstance(row, StylizedRecord) else None
