"""Inversion of held-out drawn portraits against their truth: input view, novel views, time.

    python benchmarks/bm_inversion.py --count 16 --set steps=60 --sheet inversion.png
    python benchmarks/bm_inversion.py --set method=pti --set tune=always

Prints the PSNR of the input view and of the true views at yaw -30 and +30 deg, with the seconds a
portrait took, and for comparison the same of the encoder's code alone where the bundle has one.
"""

import argparse
import math
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from itportrait.bundle import load_bundle
from itportrait.config import apply_overrides
from itportrait.geometry.camera import look_at_camera
from itportrait.image import encode, to_tensor, to_uint8
from itportrait.invert import InvertConfig, Inverter
from itportrait.invert.camera import CORRECTIONS, EXPECTED_ERROR, correct_camera
from itportrait.metrics import psnr
from itportrait.pages import contact_sheet
from itportrait.portraits import HELD_OUT_SEED, render_portrait, sample_people
from itportrait.records import AlignedRecord, InvertedRecord
from itportrait.styles import Codes, PreparedGenerator

NOVEL_DEG = (-30.0, 30.0)


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--bundle", default="mini")
    parser.add_argument("--count", type=int, default=16, help="held-out people")
    parser.add_argument("--camera-error-deg", type=float, default=0.0, help="yaw and pitch, std")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of invert")
    parser.add_argument("--sheet", help="write input, truth and inversion side by side")
    arguments = parser.parse_args()
    bundle = load_bundle(arguments.bundle)
    config = InvertConfig.parse(apply_overrides({}, arguments.set), source="--set")
    people = sample_people(arguments.count, HELD_OUT_SEED)
    records, cameras, truth = draw(people, bundle.generator.image_resolution)
    records = displaced(records, cameras, arguments.camera_error_deg)
    inverter = Inverter(config, bundle)
    began = time.perf_counter()
    rows = inverter.invert(records)
    seconds = time.perf_counter() - began
    report("inversion", rows, novel_psnr(bundle, rows, truth))
    tunings = Counter(row.tuning for row in rows if row.tuning is not None)
    if tunings:
        print("tuning:", ", ".join(f"{count} {what}" for what, count in tunings.items()))
    steps = [row.steps for row in rows if row.steps is not None]
    print(
        f"{seconds / len(rows):.2f} s a portrait, {np.mean(steps):.0f} steps (bound {config.steps})"
    )
    if bundle.encoder is not None:
        report("encoder alone", *encoder_alone(bundle, records, cameras, truth))
    if arguments.sheet:
        Path(arguments.sheet).write_bytes(encode(sheet(bundle, records, rows, truth)))


def draw(people, size: int) -> tuple[list[AlignedRecord], torch.Tensor, torch.Tensor]:
    """Return aligned records, their true cameras `[N, 25]`, true novel views `[N, V, 3, S, S]`."""
    rng = np.random.default_rng(0)
    yaw = np.clip(rng.normal(0, 0.25, len(people)), -0.45, 0.45)
    cameras = look_at_camera(torch.tensor(yaw, dtype=torch.float32), 0.05)
    records, truth = [], []
    for index, person in enumerate(people):
        pixels = render_portrait(person, cameras[index], size).image
        records.append(
            AlignedRecord(
                record_id=f"{index:04d}", uri="", pixels=pixels, camera=cameras[index].numpy()
            )
        )
        novel = [render_portrait(person, camera, size).image for camera in novel_cameras()]
        truth.append(to_tensor(np.stack(novel)))
    return records, cameras, torch.stack(truth)


def novel_cameras() -> torch.Tensor:
    """Return the cameras `[V, 25]` of the views that inversion never sees."""
    return look_at_camera(torch.tensor([math.radians(yaw) for yaw in NOVEL_DEG]), 0.0)


def displaced(records, cameras: torch.Tensor, error_deg: float) -> list[AlignedRecord]:
    """Return the records with cameras as wrong as an aligner's."""
    if not error_deg:
        return records
    off = torch.zeros(len(records), len(CORRECTIONS))
    rng = torch.Generator().manual_seed(0)
    off[:, :2] = torch.randn(len(records), 2, generator=rng) * math.radians(error_deg)
    off = off / torch.tensor(EXPECTED_ERROR)
    wrong = correct_camera(cameras, off).numpy()
    return [
        AlignedRecord(record_id=r.record_id, uri="", pixels=r.pixels, camera=wrong[index])
        for index, r in enumerate(records)
    ]


@torch.no_grad()
def views(bundle, row: InvertedRecord) -> torch.Tensor:
    """Return the novel views `[V, 3, S, S]` of a portrait, tuned as its row says."""
    codes = Codes.of([row], bundle.generator)
    cameras = novel_cameras().to(codes.device)
    return PreparedGenerator(bundle.generator).bind(codes).render(cameras).final_image


def novel_psnr(bundle, rows, truth: torch.Tensor) -> list[float]:
    """Return the PSNR of each novel view of each row against the truth."""
    values = []
    for row, true in zip(rows, truth, strict=True):
        if row.w_plus is not None:
            values += psnr(views(bundle, row), true).tolist()
    return values


@torch.no_grad()
def encoder_alone(bundle, records, cameras, truth) -> tuple[list[InvertedRecord], list[float]]:
    """Return rows and novel PSNRs of the encoder's codes, at the true cameras."""
    images = to_tensor(np.stack([record.pixels for record in records]))
    codes = bundle.encoder(images)[0]
    values = psnr(bundle.generator.synthesize(codes, cameras).image, images).tolist()
    rows = [
        InvertedRecord(
            record_id=record.record_id, psnr=value, w_plus=code.flatten().numpy(), camera=camera
        )
        for record, value, code, camera in zip(records, values, codes, cameras.numpy(), strict=True)
    ]
    return rows, novel_psnr(bundle, rows, truth)


def report(name: str, rows, novel: list[float]) -> None:
    """Print one line."""
    values = [row.psnr for row in rows if row.psnr is not None]
    print(
        f"{name}: input view {np.mean(values):.2f} dB (min {np.min(values):.2f}), "
        f"novel views at +-30 deg {np.mean(novel):.2f} dB (min {np.min(novel):.2f}), "
        f"{len(values)} of {len(rows)} portraits"
    )


def sheet(bundle, records, rows, truth: torch.Tensor) -> np.ndarray:
    """Return input, inversion, and truth beside inversion for each novel view."""
    columns = ["input", "inverted"]
    for yaw in NOVEL_DEG:
        columns += [f"true {yaw:+.0f}", f"inverted {yaw:+.0f}"]
    lines, names = [], []
    for record, row, true in zip(records, rows, truth, strict=True):
        line = [record.pixels, row.pixels]
        if row.w_plus is not None:
            for wanted, got in zip(true, views(bundle, row), strict=True):
                line += [to_uint8(wanted), to_uint8(got)]
        lines.append([*line, *[None] * (len(columns) - len(line))])
        names.append("failed" if row.psnr is None else f"{row.psnr:.1f} dB")
    return contact_sheet(lines, columns=columns, names=names)


if __name__ == "__main__":
    main()
