"""The command that writes stylized pictures out of the tables: `itportrait export`."""

import json
from typing import Annotated, Literal

import typer

from itportrait.cli import complete
from itportrait.cli.options import Json, Out, Output, output_of
from itportrait.errors import InvalidArgumentError
from itportrait.terminal import Working


def export(
    out: Out = "",
    destination: Annotated[
        str, typer.Argument(metavar="DEST", help="New folder or URI for the export.")
    ] = "",
    output: Output = "",
    to: Annotated[
        Literal["files", "webdataset", "datasets"],
        typer.Option(help="Files, tar shards, or a folder for datasets.load_dataset."),
    ] = "files",
    template: Annotated[
        str,
        typer.Option(
            help="Names of the pictures, of {stem}, {folder}, {record_id}, {face}, {style}, "
            "{version}, {view}, {yaw}, {pitch}; / makes folders. "
            "Default: {stem}-{record_id}-{style}-{view}."
        ),
    ] = "",
    domains: Annotated[
        str, typer.Option(help="Names, as a,b; default: all.", autocompletion=complete.domains)
    ] = "",
    views: Annotated[
        str, typer.Option(help="Numbers, as 0,2; 0 is the photo's own. Default: all.")
    ] = "",
    deliverables: Annotated[
        bool, typer.Option("--deliverables", help="Take the files of OUT/deliverables along.")
    ] = False,
    format_: Annotated[
        Literal["png", "jpeg", "webp"] | None,
        typer.Option("--format", help="Encoding; default: as in the tables."),
    ] = None,
    shard_mb: Annotated[int, typer.Option(help="Size of a tar or Parquet file, in MB.")] = 128,
    json_: Json = False,
) -> None:
    """Write the stylized pictures of OUT into DEST, with an index of what each of them shows.

    What was stopped goes on when the same command is given again. A folder that holds anything else
    is refused.
    """
    if output and not destination:  # the only argument beside --output is the destination
        out, destination = "", out
    out = output_of(out, output)
    if not destination:
        raise InvalidArgumentError("DEST", expected="a folder or URI", actual="nothing")
    numbers = _numbers(views)
    with Working("export: starting") as working:
        from itportrait.results.export.names import DEFAULT_TEMPLATE, Template
        from itportrait.results.export.pictures import StylizedPictures
        from itportrait.results.export.run import Export, run_export, to_json

        names = Template(template or DEFAULT_TEMPLATE)
        chosen = [name.strip() for name in domains.split(",") if name.strip()]
        pictures = StylizedPictures.of(out, chosen, numbers, deliverables=deliverables)
        wanted = Export(
            pictures=pictures,
            destination=destination,
            to=to,
            template=names,
            format=format_ or "",
            shard_mb=shard_mb,
        )
        working.now(f"export to {to}")
        done = run_export(wanted, lambda count: working.step(count, None, f"{count} pictures"))
    if json_:
        print(json.dumps(to_json(done), indent=1))
        return
    print(f"{done.destination}: {done.pictures} pictures of {', '.join(done.domains)}")
    if done.numbered:
        print(f"{done.numbered} names were taken and got a number; the index has each of them")
    if done.outdated:
        print(
            f"{done.outdated} deliverables were left out: their portraits were stylized anew "
            "since; run the job with its deliverables, remove the export, and export again"
        )
    if not done.written:
        print("nothing to do: all of it was written by an earlier run, and is kept")


def _numbers(views: str) -> list[int]:
    """Return the numbers of the views that are asked for.

    Raises:
        InvalidArgumentError: one is no number of a view.
    """
    given = [text.strip() for text in views.split(",") if text.strip()]
    if not all(text.isascii() and text.isdigit() for text in given):
        raise InvalidArgumentError("--views", expected="numbers, as 0,2", actual=repr(views))
    return [int(text) for text in given]
