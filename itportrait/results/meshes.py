"""Textured meshes of the gallery, which turn on its page."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from itportrait.errors import ItportraitError
from itportrait.meshes import encode_mesh, textured_mesh
from itportrait.pages.gallery import GalleryPortrait
from itportrait.records import Status
from itportrait.stages.recipe import Recipe
from itportrait.stylize.stage import build_stylizer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mesh:
    """The surface of one portrait in one domain.

    Args:
        name: of its file.
        record_id: of the portrait.
        domain: of the style.
        data: the file, GLB.
    """

    name: str
    record_id: str
    domain: str
    data: bytes


def make_meshes(recipes: Sequence[Recipe], portraits: Sequence[GalleryPortrait]) -> Iterator[Mesh]:
    """Make the meshes of these portraits in every domain that has a density, one by one."""
    for recipe in recipes:
        for number, portrait in enumerate(portraits):
            styled, code = portrait.stylized.get(recipe.domain), portrait.inverted
            if styled is None or styled.status is not Status.OK or code is None:
                continue
            stylizer = build_stylizer(recipe)
            try:
                bound = stylizer.bind(code, recipe.domain, fitted=styled.fitted)
                data = encode_mesh(textured_mesh(bound, stylizer.bundle.orbit))
            except ItportraitError as error:
                # Styles that make pictures alone have no surface, and a density may be too low.
                log.warning("no mesh of %s in the gallery: %s", recipe.domain, error)
                continue
            suffix = f"+{number}" if number else ""  # no domain has such a sign in its name
            name = f"mesh_{recipe.domain}{suffix}.glb"
            yield Mesh(name, portrait.aligned.record_id, recipe.domain, data)


def with_meshes(portrait: GalleryPortrait, meshes: Sequence[Mesh]) -> GalleryPortrait:
    """Return the portrait with those of the meshes that show it."""
    own = [mesh for mesh in meshes if mesh.record_id == portrait.aligned.record_id]
    return replace(portrait, meshes={mesh.domain: (mesh.name, mesh.data) for mesh in own})
