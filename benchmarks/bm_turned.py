"""Inversion of held-out drawn people who are turned away, against the truth of both their sides.

    python benchmarks/bm_turned.py --count 24 --methods pti multiview symmetry

Inputs are turned by 20 to 35 deg, to the left and to the right in turn. Prints of each method the
PSNR of the input view and of the true views at 45 deg on the side that the input shows and on the
hidden one, and of each further method the difference of their mean from the first method's with its
95 % interval (paired bootstrap over people). `invert.tune` is `always` unless it is set.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch

from itportrait.bundle import load_bundle
from itportrait.config import apply_overrides
from itportrait.geometry.camera import look_at_camera
from itportrait.image import to_tensor
from itportrait.invert import InvertConfig, Inverter
from itportrait.learning.bootstrap import bootstrap_mean
from itportrait.metrics import psnr
from itportrait.portraits import HELD_OUT_SEED, ORBIT, build_face, render_portrait, sample_people
from itportrait.records import AlignedRecord
from itportrait.styles import Codes, PreparedGenerator

INPUT_DEG = (20.0, 35.0)
NOVEL_DEG = 45.0
PITCH_RAD = 0.05
"""Of the inputs; novel views are level."""


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--bundle", default="mini")
    parser.add_argument("--count", type=int, default=24, help="people")
    parser.add_argument("--first", type=int, default=0, help="number of the first of them")
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED, help="of the people")
    parser.add_argument("--methods", nargs="+", default=["pti", "multiview", "symmetry"])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of invert")
    parser.add_argument("--scores", help="JSON file that keeps scores, and gives those it has")
    arguments = parser.parse_args()
    bundle = load_bundle(arguments.bundle)
    known = Scores(arguments.scores)
    for method in arguments.methods:
        overrides = apply_overrides({"tune": "always", "method": method}, arguments.set)
        config = InvertConfig.parse(overrides, source="--set")
        name = f"{arguments.seed} {config.model_dump_json()}"
        inverter = None
        for start in range(0, arguments.count, config.batch_size):
            numbers = [
                arguments.first + index
                for index in range(start, min(start + config.batch_size, arguments.count))
            ]
            if known.has(name, numbers):
                continue
            inverter = inverter or Inverter(config, bundle)
            people = [sample_people(n + 1, arguments.seed)[n] for n in numbers]
            known.add(name, numbers, measure(inverter, people, numbers))
        scores = known.of(name, arguments.first, arguments.count)
        report(method, scores)
        if method == arguments.methods[0]:
            baseline = scores
        else:
            compare(method, arguments.methods[0], scores, baseline)


def measure(inverter: Inverter, people, numbers: list[int]) -> list[list[float]]:
    """Return of each person: PSNR of the input, of the near and the far side, seconds."""
    yaws = torch.tensor([yaw_of(number) for number in numbers])
    size = inverter.generator.image_resolution
    cameras = look_at_camera(yaws, PITCH_RAD, ORBIT)
    records, faces = [], [build_face(person) for person in people]
    for number, face, camera in zip(numbers, faces, cameras, strict=True):
        pixels = render_portrait(face, camera, size).image
        records.append(
            AlignedRecord(record_id=f"{number:04d}", uri="", pixels=pixels, camera=camera.numpy())
        )
    began = time.perf_counter()
    rows = inverter.invert(records)
    seconds = (time.perf_counter() - began) / len(rows)
    scores = [[row.psnr] for row in rows if row.psnr is not None]
    if len(scores) < len(rows):
        sys.exit(f"an inversion failed: {next(row.error for row in rows if row.psnr is None)}")
    codes = Codes.of(rows, inverter.generator)
    for side in (1, -1):
        views = look_at_camera(side * yaws.sign() * math.radians(NOVEL_DEG), 0.0, ORBIT)
        true = [render_portrait(face, view, size).image for face, view in zip(faces, views)]
        with torch.no_grad():
            shown = PreparedGenerator(inverter.generator).render(codes.seen_from(views)).final_image
        for score, value in zip(scores, psnr(shown, to_tensor(np.stack(true))).tolist()):
            score.append(value)
    return [[*score, seconds] for score in scores]


def yaw_of(number: int) -> float:
    """Return the yaw of a person's input, in radians: a function of the person's number."""
    least, most = INPUT_DEG
    turn = np.random.default_rng(number).uniform(least, most)
    return math.radians(turn if number % 2 else -turn)


class Scores:
    """Scores of people by settings, kept in a file so that a run that ended early goes on."""

    def __init__(self, path: str | None) -> None:
        self.path = Path(path) if path else None
        self.values: dict[str, dict[str, list[float]]] = {}
        if self.path and self.path.exists():
            self.values = json.loads(self.path.read_text())

    def has(self, name: str, numbers: list[int]) -> bool:
        """Return whether all of these people are known."""
        return all(str(number) in self.values.get(name, {}) for number in numbers)

    def add(self, name: str, numbers: list[int], scores: list[list[float]]) -> None:
        """Take the scores of people."""
        known = self.values.setdefault(name, {})
        known.update({str(number): score for number, score in zip(numbers, scores, strict=True)})
        if self.path:
            self.path.write_text(json.dumps(self.values))

    def of(self, name: str, first: int, count: int) -> np.ndarray:
        """Return the scores `[count, 4]` of people in a row."""
        return np.array([self.values[name][str(first + index)] for index in range(count)])


def report(method: str, scores: np.ndarray) -> None:
    """Print one line."""
    shown, near, far, seconds = scores.mean(0)
    print(
        f"{method}: input view {shown:.2f} dB, at 45 deg {(near + far) / 2:.2f} dB "
        f"({near:.2f} on the side that is seen, {far:.2f} on the hidden one), "
        f"{seconds:.1f} s a portrait, {len(scores)} people",
        flush=True,
    )


def compare(method: str, other: str, scores: np.ndarray, baseline: np.ndarray) -> None:
    """Print the difference of the views at 45 deg with its interval."""
    differences = scores[:, 1:3].mean(1) - baseline[:, 1:3].mean(1)
    print(
        f"{method} - {other}: {bootstrap_mean(differences):+.2f} dB at 45 deg "
        f"(95 % interval), better for {(differences > 0).sum()} of {len(differences)}",
        flush=True,
    )


if __name__ == "__main__":
    main()
