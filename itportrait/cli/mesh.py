"""The command that writes a mesh: `itportrait export-mesh`."""

from typing import TYPE_CHECKING, Annotated

import typer

from itportrait.cli.options import Config, Device, Out, Set, device_of
from itportrait.errors import InvalidArgumentError, NoInputError

if TYPE_CHECKING:
    from itportrait.records import InvertedRecord
    from itportrait.stages.recipe import Recipe


def export_mesh(
    out: Out,
    record: Annotated[str, typer.Argument(help="record_id of a portrait, or a part of its URI.")],
    to: Annotated[str, typer.Option("--to", help="File: .glb, .ply or .obj.")] = "mesh.glb",
    domain: Annotated[str, typer.Option(help="Style domain; default: as photographed.")] = "",
    bank: Annotated[str, typer.Option("--bank", help="Style bank of the domain.")] = "",
    resolution: Annotated[int, typer.Option(help="Grid points along each side.")] = 160,
    config: Config = "",
    set_: Set = None,
    device: Device = "auto",
) -> None:
    """Write the colored mesh of one inverted portrait of OUT."""
    from itportrait.bank.store import Bank
    from itportrait.bundle.warm import warm_bundle
    from itportrait.io import uris
    from itportrait.jobs.ready_made import find_champion
    from itportrait.jobs.stylize.config import load_job
    from itportrait.pages import MeshOptions, encode_mesh, extract_mesh
    from itportrait.styles import Codes, PreparedGenerator
    from itportrait.stylize.stage import build_stylizer

    kind = to.rpartition(".")[2].lower()
    if kind not in ("glb", "ply", "obj"):
        raise InvalidArgumentError("--to", expected="a .glb, .ply or .obj file", actual=repr(to))
    device = device_of(device)
    job = load_job(config or None, set_, required=("output",), output=out, bank=bank)
    if bank:
        Bank(job.bank).existing()
    version = find_champion(domain, Bank(job.bank), job.bundle) if domain else None
    models = warm_bundle(job.bundle, device)
    last = job.stages[-1]
    code = _find_code(job.recipe(last, models.model_id), record)
    bound = PreparedGenerator(models.generator).bind(Codes.of([code], models.generator))
    if version is not None:
        recipe = job.recipe(last, models.model_id, device=device, version=version)
        bound = build_stylizer(recipe).bind(code, domain)
    mesh = extract_mesh(bound, MeshOptions(resolution=resolution))
    uris.put_bytes(to, encode_mesh(mesh, kind))
    print(f"{to}: {len(mesh.vertices)} vertices, {len(mesh.faces)} triangles")


def _find_code(recipe: "Recipe", record: str) -> "InvertedRecord":
    """Return the inverted record with this id, or whose photo's URI contains the text."""
    from itportrait.records import AlignedRecord, InvertedRecord, Status

    aligned, inverted = recipe.upstream(AlignedRecord), recipe.upstream(InvertedRecord)
    for commit in inverted.commits():
        photos = aligned.read_commit(commit.shard)
        rows = aligned.read_rows(photos, pixels=False) if photos else []
        ids = {r.record.record_id for r in rows if record in getattr(r.record, "uri", "")}
        for row in inverted.read_rows(commit, pixels=False):
            found = row.record
            if not isinstance(found, InvertedRecord) or found.status is not Status.OK:
                continue
            if found.record_id == record or found.record_id in ids:
                return found
    raise NoInputError(f"no inverted portrait {record!r} in {recipe.output}; see inverted/records")
