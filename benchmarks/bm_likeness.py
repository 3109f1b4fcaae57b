"""Inversion of real pictures: how much a method's portraits look like them, beside W+ codes alone.

    python benchmarks/bm_likeness.py photos paintings --method pti --sheet likeness.png

Takes folders of pictures, which have no truth but themselves. Prints for every face that is found,
and on average with its 95 % interval: PSNR and perceptual distance of the input view, identity
cosine, perceptual distance of the views at both sides from the input, variance of depth there over
that of the code alone, stored bytes as a share of the generator's, and seconds.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from itportrait.align import AlignConfig, Aligner
from itportrait.bundle import Bundle, load_bundle
from itportrait.config import apply_overrides
from itportrait.geometry.camera import look_at_camera
from itportrait.image import encode, resize, to_tensor, to_uint8
from itportrait.ingest import list_sources
from itportrait.invert import InvertConfig, Inverter
from itportrait.jobs.stylize.config import load_job
from itportrait.learning.bootstrap import bootstrap_mean
from itportrait.metrics import depth_variance_ratio
from itportrait.pages import contact_sheet
from itportrait.records import AlignedRecord, InvertedRecord, Status
from itportrait.styles import Codes, PreparedGenerator

SIDES_RAD = (-0.4, 0.4)
DEMO = Path(__file__).parents[1] / "configs/demo.yaml"


@dataclass(frozen=True)
class Likeness:
    """Figures of one portrait; the names are the columns of the table."""

    psnr: float
    perceptual: float
    identity: float
    sides: float
    """Perceptual distance of the views at both sides from the input, mean."""
    depth_least: float
    depth_most: float
    share: float
    """Stored bytes of weights over the generator's."""
    seconds: float


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("photos", nargs="+", help="folders, globs or files")
    parser.add_argument("--bundle", default="mini")
    parser.add_argument("--align", default=str(DEMO), help="job whose align settings are used")
    parser.add_argument("--method", default="pti")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of invert")
    parser.add_argument("--sheet", help="write input, inversions and their sides as a picture")
    arguments = parser.parse_args()
    bundle = load_bundle(arguments.bundle)
    config = load_job(arguments.align, required=()).align
    records = align(bundle, config, arguments.photos)
    found: dict[str, list[InvertedRecord]] = {}
    for method in dict.fromkeys(["w_plus", arguments.method]):
        settings = apply_overrides({"method": method}, arguments.set)
        if method == "w_plus":
            settings["tune"] = "never"
        inverter = Inverter(InvertConfig.parse(settings, source="--set"), bundle)
        began = time.perf_counter()
        found[method] = inverter.invert(records)
        wall = (time.perf_counter() - began) / len(records)
        report(f"{method}, {wall:.1f} s a portrait", bundle, records, found[method])
    if arguments.sheet:
        Path(arguments.sheet).write_bytes(encode(sheet(bundle, records, found)))


def align(bundle: Bundle, config: AlignConfig, photos: Sequence[str]) -> list[AlignedRecord]:
    """Return the faces of pictures; says which pictures have none."""
    aligner = Aligner.of_bundle(config, bundle)
    rows = [row for source in list_sources(photos) for row in aligner.align(source)]
    for row in rows:
        if row.status is not Status.OK and row.error is not None:
            print(f"left out: {Path(row.uri).name}: {row.error.message}")
    return [row for row in rows if row.status is Status.OK]


@torch.no_grad()
def measure(bundle: Bundle, record: AlignedRecord, row: InvertedRecord) -> Likeness:
    """Return the figures of one portrait, of what its row keeps."""
    assert record.pixels is not None  # of rows that are ok
    assert row.psnr is not None
    assert row.perceptual is not None
    assert row.identity is not None
    codes = Codes.of([row], bundle.generator)
    untuned = Codes(codes.ws, codes.cameras)
    image = to_tensor(record.pixels)[None]
    image = resize(image, bundle.generator.image_resolution).to(codes.device)
    distances, ratios = [], []
    for yaw in SIDES_RAD:
        camera = look_at_camera(yaw, 0.0, bundle.orbit).to(codes.device)
        view, base = (
            PreparedGenerator(bundle.generator).render(one.seen_from(camera))
            for one in (codes, untuned)
        )
        distances.append(float(bundle.perceptual.distance(view.final_image, image)))
        ratios.append(
            float(
                depth_variance_ratio(
                    view.image_depth, base.image_depth, view.image_alpha, base.image_alpha
                )
            )
        )
    size = sum(tensor.nbytes for tensor in bundle.generator.parameters())
    return Likeness(
        psnr=row.psnr,
        perceptual=row.perceptual,
        identity=row.identity,
        sides=float(np.mean(distances)),
        depth_least=min(ratios),
        depth_most=max(ratios),
        share=len(row.weights or b"") / size,
        seconds=row.seconds,
    )


def report(
    title: str, bundle: Bundle, records: Sequence[AlignedRecord], rows: Sequence[InvertedRecord]
) -> None:
    """Print a table of one method: a line a portrait, and the mean."""
    names = [field.name for field in fields(Likeness)]
    print(f"\n{title}\n{'':32}" + "".join(f"{name:>12}" for name in names) + "  tuning")
    lines = []
    for record, row in zip(records, rows, strict=True):
        name = Path(record.uri).stem[:31]
        if row.status is not Status.OK:
            print(f"{name:32}{row.status}: {row.error and row.error.message}")
            continue
        line = measure(bundle, record, row)
        lines.append([getattr(line, name) for name in names])
        print(_line(name, lines[-1]) + f"  {row.tuning or '-'}")
    if lines:
        print(_line("mean", np.mean(lines, 0)))
    if len(lines) > 1:
        found = [bootstrap_mean(values) for values in np.transpose(lines)]
        print(_line("95 % interval from", [each.low or 0.0 for each in found]))
        print(_line("to", [each.high or 0.0 for each in found]))


def _line(name: str, values: Sequence[float]) -> str:
    return f"{name:32}" + "".join(f"{value:12.3f}" for value in values)


@torch.no_grad()
def sheet(
    bundle: Bundle,
    records: Sequence[AlignedRecord],
    found: dict[str, list[InvertedRecord]],
) -> np.ndarray:
    """Return a line a portrait: input, and of every method the input's view and both sides."""
    columns = ["input"]
    for method in found:
        columns += [method, *(f"{method} {yaw:+.1f} rad" for yaw in SIDES_RAD)]
    lines, names = [], []
    for index, record in enumerate(records):
        line = [record.pixels]
        for rows in found.values():
            row = rows[index]
            if row.status is not Status.OK:
                line += [None] * (1 + len(SIDES_RAD))
                continue
            codes = Codes.of([row], bundle.generator)
            cameras = [look_at_camera(yaw, 0.0, bundle.orbit) for yaw in SIDES_RAD]
            views = [
                PreparedGenerator(bundle.generator).render(codes.seen_from(camera)).final_image[0]
                for camera in cameras
            ]
            line += [row.pixels, *(to_uint8(view) for view in views)]
        lines.append(line)
        names.append(Path(record.uri).stem)
    return contact_sheet(lines, columns=columns, names=names)


if __name__ == "__main__":
    main()
