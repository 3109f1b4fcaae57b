"""The command that writes a mesh: `itportrait export-mesh`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from itportrait.cli import complete
from itportrait.cli.options import (
    Bundle,
    Config,
    Device,
    Out,
    Output,
    Set,
    device_of,
    output_of,
)
from itportrait.errors import InvalidArgumentError, NoInputError
from itportrait.meshes.limits import FEWEST_TRIANGLES, LARGEST_TEXTURE, SMALLEST_TEXTURE
from itportrait.terminal import Working

if TYPE_CHECKING:
    from itportrait.bank.version import BankVersion
    from itportrait.records import InvertedRecord
    from itportrait.stages.recipe import Recipe

_CANDIDATES_SHOWN = 10


def export_mesh(
    out: Out = "",
    record: Annotated[
        str, typer.Argument(help="record_id of a portrait or its beginning, or a part of its URI.")
    ] = "",
    output: Output = "",
    to: Annotated[str, typer.Option("--to", help="File: .glb, .ply or .obj.")] = "mesh.glb",
    domain: Annotated[
        str,
        typer.Option(
            help="Style domain; default: as photographed.", autocompletion=complete.domains
        ),
    ] = "",
    bank: Annotated[
        str, typer.Option("--bank", help="Style bank of the domain; default: as OUT was stylized.")
    ] = "",
    resolution: Annotated[int, typer.Option(help="Grid points along each side.")] = 160,
    colors: Annotated[
        str,
        typer.Option(
            help="texture (painted from renders; .glb alone) or vertices; default: texture in a "
            ".glb file, vertices in others."
        ),
    ] = "",
    texture_size: Annotated[
        int,
        typer.Option(help="Side of the texture, 64 to 8192 pixels; 0: 4 times that of a render."),
    ] = 0,
    triangles: Annotated[
        int | None,
        typer.Option(
            help="Most triangles, 100 or more; 0: all. Default: 20000 with a texture, else all.",
            show_default=False,
        ),
    ] = None,
    config: Config = "",
    set_: Set = None,
    bundle: Bundle = "",
    device: Device = "auto",
) -> None:
    """Write the mesh of one inverted portrait of OUT, with a texture or colored vertices."""
    if output and not record:  # the only argument beside --output is the portrait
        out, record = "", out
    out = output_of(out, output)
    kind = _check(to, record, resolution)
    textured = _check_colors(kind, colors, texture_size, triangles)
    with Working("export-mesh: starting") as working:
        from itportrait.bank.store import Bank
        from itportrait.bundle.warm import warm_bundle
        from itportrait.io import uris
        from itportrait.jobs.stylize.config import load_job
        from itportrait.meshes import MeshColors, MeshOptions, encode_mesh, make_mesh
        from itportrait.styles import Codes, PreparedGenerator
        from itportrait.stylize.stage import build_stylizer

        if uris.is_local(to):
            uris.check_place(str(Path(uris.local_path(to)).absolute().parent), "the folder of --to")
        device = device_of(device)
        job = load_job(
            config or None, set_, required=("output",), output=out, bank=bank, bundle=bundle
        )
        if bank:
            Bank(job.bank).existing()
        given = bool(bank or config)
        version = find_style(domain, job.bank, job.bundle, job.output, given) if domain else None
        models = warm_bundle(job.bundle, device)
        last = job.stages[-1]
        code = _find_code(job.recipe(last, models.model_id), record)
        bound = PreparedGenerator(models.generator).bind(Codes.of([code], models.generator))
        if version is not None:
            recipe = job.recipe(last, models.model_id, device=device, version=version)
            bound = build_stylizer(recipe).bind(code, domain)
        working.now(f"export-mesh {record}")
        options = MeshOptions(resolution=resolution, triangles=triangles)
        look: MeshColors = "texture" if textured else "vertices"
        mesh = make_mesh(bound, models.orbit, look, options, texture_size=texture_size)
        uris.put_bytes(to, encode_mesh(mesh, kind))
    print(f"{to}: {len(mesh.vertices)} vertices, {len(mesh.faces)} triangles")


def _check(to: str, record: str, resolution: int) -> str:
    """Return the kind of file that is to be written, if all that was given can be.

    Raises:
        InvalidArgumentError: names what cannot be.
    """
    kind = to.rpartition(".")[2].lower()
    if kind not in ("glb", "ply", "obj"):
        raise InvalidArgumentError("--to", expected="a .glb, .ply or .obj file", actual=repr(to))
    if not record:
        raise InvalidArgumentError("RECORD", expected="the name of a portrait", actual="nothing")
    if resolution < 2:
        raise InvalidArgumentError("--resolution", expected="2 or more", actual=resolution)
    return kind


def _check_colors(kind: str, colors: str, texture_size: int, triangles: int | None) -> bool:
    """Return whether the mesh gets a texture, if what was given can be had together.

    Raises:
        InvalidArgumentError: names what cannot.
    """
    if colors not in ("", "texture", "vertices"):
        raise InvalidArgumentError("--colors", expected="texture or vertices", actual=repr(colors))
    if colors == "texture" and kind != "glb":
        raise InvalidArgumentError(
            "--colors",
            expected=f"vertices for a .{kind} file, since .glb alone holds a texture",
            actual="texture",
        )
    textured = kind == "glb" and colors != "vertices"
    if texture_size and not textured:
        raise InvalidArgumentError(
            "--texture-size", expected="0 without a texture", actual=texture_size
        )
    if texture_size and not SMALLEST_TEXTURE <= texture_size <= LARGEST_TEXTURE:
        raise InvalidArgumentError(
            "--texture-size",
            expected=f"0, or {SMALLEST_TEXTURE} to {LARGEST_TEXTURE} pixels",
            actual=texture_size,
        )
    if triangles is not None and triangles != 0 and triangles < FEWEST_TRIANGLES:
        raise InvalidArgumentError(
            "--triangles", expected=f"0, or {FEWEST_TRIANGLES} or more", actual=triangles
        )
    return textured


def find_style(domain: str, bank: str, bundle: str, output: str, given: bool) -> "BankVersion":
    """Return the version of a domain that a mesh is made in.

    A bank that is given is asked for its champion, which may be newer than the pictures of the
    output; what it has only as a candidate, and any domain where none is given, is the version that
    the output's job recorded.

    Args:
        domain: its name.
        bank: URI of the bank of the call.
        bundle: URI of the models.
        output: of the job.
        given: whether the bank was named, or is that of a configuration.

    Raises:
        ItportraitError: neither is there; what `find_champion` says.
    """
    from itportrait.bank.store import Bank
    from itportrait.io import uris
    from itportrait.jobs.ready_made import find_champion

    run = uris.read_json(uris.join(output, "run.json")) or {}
    version = run.get("domains", {}).get(domain, {}).get("version")
    place = bank if given else run.get("config", {}).get("bank") or bank
    recorded = Bank(place)
    if version not in recorded.versions(domain):
        return find_champion(domain, Bank(bank), bundle)
    if not given:
        return recorded.read(domain, version)
    try:
        return find_champion(domain, Bank(bank), bundle)
    except InvalidArgumentError:  # a candidate alone
        return recorded.read(domain, version)


def _find_code(recipe: "Recipe", record: str) -> "InvertedRecord":
    """Return the inverted record that a text means: its id, a beginning of it, or a part of its
    photo's URI.

    Raises:
        NoInputError: none is meant.
        InvalidArgumentError: several are; lists them.
    """
    from itportrait.io import uris
    from itportrait.records import AlignedRecord, InvertedRecord, Status

    aligned, inverted = recipe.upstream(AlignedRecord), recipe.upstream(InvertedRecord)
    found: dict[str, tuple[InvertedRecord, str]] = {}
    if not inverted.shards():
        empty = "" if uris.list_names(recipe.output) else ", which is empty or absent"
        raise NoInputError(
            f"no inverted portraits in {recipe.output}{empty}; make them with "
            f"`itportrait align INPUT {recipe.output}` and `itportrait invert {recipe.output}`, "
            "or name another output"
        )
    for commit in inverted.commits():
        photos = aligned.read_commit(commit.shard)
        rows = aligned.read_rows(photos, pixels=False) if photos else []
        names = {r.record.record_id: getattr(r.record, "uri", "") for r in rows}
        for row in inverted.read_rows(commit, pixels=False):
            code = row.record
            if not isinstance(code, InvertedRecord) or code.status is not Status.OK:
                continue
            name = names.get(code.record_id, "")
            if code.record_id == record:
                return code
            if code.record_id.startswith(record) or record in name:
                found[code.record_id] = (code, name)
    if len(found) > 1:
        raise InvalidArgumentError(
            "RECORD", expected="a text that one portrait alone has", actual=_listed(record, found)
        )
    if not found:
        raise NoInputError(
            f"no inverted portrait {record!r} in {recipe.output}; see inverted/records"
        )
    return next(iter(found.values()))[0]


def _listed(record: str, found: "dict[str, tuple[InvertedRecord, str]]") -> str:
    from itportrait.io.uris import redact

    shown = [f"{key} ({redact(name)})" for key, (_, name) in found.items()]
    more = f" and {len(shown) - _CANDIDATES_SHOWN} more" if len(shown) > _CANDIDATES_SHOWN else ""
    return f"{record!r}, which is in {', '.join(shown[:_CANDIDATES_SHOWN])}{more}"
