"""Commands around the stages: importing a checkpoint, drawing photos, looking at the machine."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from itportrait.cli.options import Json, Out, former, output_of
from itportrait.terminal import Working, make_console, make_table


def import_eg3d(
    file: Annotated[str, typer.Argument(help="Published checkpoint, such as ffhq512-128.pkl.")],
    output: Annotated[str, typer.Option(help="Folder of the new model bundle.")] = "",
    out: Annotated[str, typer.Option("--out", hidden=True)] = "",
    plane_axes: Annotated[
        str, typer.Option(help="Planes it was trained with: eg3d or fixed.")
    ] = "eg3d",
    name: Annotated[str, typer.Option(help="Name of the bundle.")] = "ffhq512",
) -> None:
    """Convert a published EG3D checkpoint into a model bundle; no code of the file is run."""
    output = former("--out", out, "--output", output)
    with Working(f"import-eg3d {file}"):
        from typing import get_args

        from itportrait.bundle import import_eg3d as convert
        from itportrait.errors import UnknownNameError
        from itportrait.geometry.planes import PlaneAxes
        from itportrait.io import uris

        known = [str(axes) for axes in get_args(getattr(PlaneAxes, "__value__", PlaneAxes))]
        if plane_axes not in known:
            raise UnknownNameError("plane axes", plane_axes, known)
        uris.check_place(output, "--output")
        spec = convert(file, output, plane_axes=plane_axes, name=name)  # type: ignore[arg-type]
    print(f"{output}: bundle {spec.model_id}. {spec.license}")


def sample_portraits(
    out: Out = "",
    output: Annotated[str, typer.Option(help="Folder or URI of the photos.")] = "",
    count: Annotated[int, typer.Option(help="Photos, one person each.")] = 8,
    seed: Annotated[int, typer.Option(help="Of people and cameras, 0 or more.")] = 0,
    size: Annotated[int, typer.Option(help="Pixels along each side.")] = 512,
    covered: Annotated[
        str, typer.Option(help="Put something before every face (cup or hand), with masks.")
    ] = "",
) -> None:
    """Draw procedural portraits as unaligned photos, with truth.parquet beside them."""
    out = output_of(out, output)
    with Working("sample-portraits"):
        from itportrait.errors import InvalidArgumentError, UnknownNameError
        from itportrait.io import uris
        from itportrait.mini.occluders import OCCLUDERS
        from itportrait.mini.samples import write_sample_portraits

        if covered and covered not in OCCLUDERS:
            raise UnknownNameError("occluder", covered, list(OCCLUDERS))
        if seed < 0:
            raise InvalidArgumentError("--seed", expected="0 or more", actual=seed)
        uris.check_place(out, "--output")
        before = covered or None
        photos = write_sample_portraits(out, count, seed, size, covered=before)  # type: ignore[arg-type]
    print(f"{len(photos)} photos in {out}")


def demo_inputs(
    out: Out = "",
    output: Annotated[str, typer.Option(help="Folder or URI; photos go to photos/ in it.")] = "",
    count: Annotated[int, typer.Option(help="Drawn portraits.")] = 8,
) -> None:
    """Write the demo's photos: drawn portraits, the astronaut, one without a face, one broken."""
    from itportrait.io import uris

    out = output_of(out, output)
    if uris.exists(uris.join(out, "photos", "truth.parquet")):
        print(f"{out}/photos is there already")
        return
    uris.check_place(out, "--output")
    with Working("demo-inputs"):
        from itportrait.mini.demo import write_demo_inputs

        photos = write_demo_inputs(out, count=count)
    print(f"{len(photos)} photos in {out}/photos")


def doctor(json_: Json = False) -> None:
    """Say what this machine has, and what to do about what is missing."""
    with Working("doctor"):
        from itportrait.doctor import examine

        findings = examine()
    if json_:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        rows = [[found.what, found.state, found.about, found.remedy] for found in findings]
        make_console().print(make_table(("what", "state", "about", "what to do"), rows, texts=4))
    if any(finding.needed and not finding.ok for finding in findings):
        raise typer.Exit(1)
