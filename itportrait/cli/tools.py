"""Commands around the stages: importing a checkpoint, drawing photos, looking at the machine."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def import_eg3d(
    file: Annotated[str, typer.Argument(help="Published checkpoint, such as ffhq512-128.pkl.")],
    out: Annotated[str, typer.Option("--out", help="Folder of the new model bundle.")],
    plane_axes: Annotated[
        str, typer.Option(help="Planes it was trained with: eg3d or fixed.")
    ] = "eg3d",
    name: Annotated[str, typer.Option(help="Name of the bundle.")] = "ffhq512",
) -> None:
    """Convert a published EG3D checkpoint into a model bundle; no code of the file is run."""
    from typing import get_args

    from itportrait.bundle import import_eg3d as convert
    from itportrait.errors import UnknownNameError
    from itportrait.geometry.planes import PlaneAxes

    known = [str(axes) for axes in get_args(getattr(PlaneAxes, "__value__", PlaneAxes))]
    if plane_axes not in known:
        raise UnknownNameError("plane axes", plane_axes, known)
    spec = convert(file, out, plane_axes=plane_axes, name=name)  # type: ignore[arg-type]
    print(f"{out}: bundle {spec.model_id}. {spec.license}")


def sample_portraits(
    out: Annotated[str, typer.Argument(help="Folder or URI.")],
    count: Annotated[int, typer.Option(help="Photos, one person each.")] = 8,
    seed: Annotated[int, typer.Option(help="Of people and cameras.")] = 0,
    size: Annotated[int, typer.Option(help="Pixels along each side.")] = 512,
) -> None:
    """Draw procedural portraits as unaligned photos, with truth.parquet beside them."""
    from itportrait.mini.samples import write_sample_portraits

    print(f"{len(write_sample_portraits(out, count, seed, size))} photos in {out}")


def demo_inputs(
    out: Annotated[str, typer.Argument(help="Folder or URI; photos go to OUT/photos.")],
    count: Annotated[int, typer.Option(help="Drawn portraits.")] = 8,
) -> None:
    """Write the demo's photos: drawn portraits, the astronaut, one without a face, one broken."""
    from itportrait.io import uris
    from itportrait.mini.demo import write_demo_inputs

    if uris.exists(uris.join(out, "photos", "truth.parquet")):
        print(f"{out}/photos is there already")
        return
    print(f"{len(write_demo_inputs(out, count=count))} photos in {out}/photos")


def doctor() -> None:
    """Say what this machine has, and what to do about what is missing."""
    from itportrait.doctor import examine

    table = Table(show_header=True, title_justify="left")
    for column in ("what", "state", "about", "what to do"):
        table.add_column(column, overflow="fold")
    findings = examine()
    for finding in findings:
        state = "ok" if finding.ok else "missing" if finding.needed else "absent"
        table.add_row(finding.what, state, finding.about, finding.remedy)
    Console(highlight=False).print(table)
    if any(finding.needed and not finding.ok for finding in findings):
        raise typer.Exit(1)
