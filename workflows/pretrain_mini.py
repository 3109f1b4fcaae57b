"""Remake the embedded model family from nothing: draw, train, export, measure.

    python workflows/pretrain_mini.py --budget-minutes 90
    python workflows/pretrain_mini.py --only generator --budget-minutes 180 --device cuda
    python workflows/pretrain_mini.py --only clip --start itportrait/mini/weights
    python workflows/pretrain_mini.py --measure-only

The budget is training time and is divided among the networks (`--only` gives it to one). The same
command again goes on where the last one stopped: drawn shards, checkpoints and exported networks
are kept. A larger budget trains networks further that had used up a smaller one.

Exit codes: 0 done; 2 the call, the weights or the storage are wrong; 130 stopped by Ctrl-C.
"""

if __name__ == "__main__":  # first of all: from here on Ctrl-C is one line
    from itportrait.interrupts import end_quietly

    end_quietly(shown="pretrain_mini is starting:")

import argparse
import logging
import os
import time
from pathlib import Path
from typing import Any

import torch

import itportrait
from itportrait.align import AlignConfig, Aligner
from itportrait.bundle import load_bundle
from itportrait.bundle.devices import torch_device
from itportrait.card.faces import measure_aligner
from itportrait.card.inversion import choose_people, measure_inversion
from itportrait.card.models import evaluate
from itportrait.card.report import table, write_card, write_report
from itportrait.interrupts import run_program, starting_ends
from itportrait.invert import InvertConfig, Inverter
from itportrait.jobs.endings import run_job
from itportrait.portraits import HELD_OUT_SEED, TRAIN_SEED, sample_people
from itportrait.pretrain.run import (
    LICENSE,
    NETWORKS,
    Paths,
    dataset_specs,
    draw,
    finish_bundle,
    train,
)
from itportrait.pretrain.training.data import read_portraits
from itportrait.pretrain.training.loop import LoopConfig
from itportrait.terminal import Working

logger = logging.getLogger(f"{itportrait.__name__}.pretrain_mini")
RUNS = Path(os.environ.get("ITPORTRAIT_RUNS", "runs"))
WEIGHTS = Path(itportrait.__file__).parent / "mini" / "weights"
ALIGN = AlignConfig(
    size=256, crop_scale=0.932, crop_shift=(0.0, 0.028), encoder_camera_distance=0.35
)
"""Crop and camera of the family, as in `itportrait/mini/weights/settings.yaml`."""
INVERT = InvertConfig(refine_camera=False)
"""Inversion from the true camera, because the aligner's error is a figure of its own."""
HYPER = InvertConfig(method="hyper", refine_camera=False)
"""The same by the hyper-network."""


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument(
        "--budget-minutes", type=float, default=90.0, help="minutes of training in all"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=NETWORKS,
        help="train this network; may be given several times",
    )
    parser.add_argument(
        "--data", type=Path, default=RUNS / "mini-data", help="folder of drawn portraits"
    )
    parser.add_argument(
        "--runs", type=Path, default=RUNS / "pretrain", help="folder of checkpoints and curves"
    )
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="where the bundle is written")
    parser.add_argument("--start", type=Path, help="bundle to begin with; from nothing by default")
    parser.add_argument(
        "--measure-only",
        action="store_true",
        help="train nothing, measure the bundle that is there",
    )
    parser.add_argument("--people", type=int, default=8000, help="people drawn as photos")
    parser.add_argument("--styled-people", type=int, default=500, help="people in every domain")
    parser.add_argument("--held-out-people", type=int, default=64, help="people to measure on")
    parser.add_argument("--device", default="cpu", help="device to train on")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes that draw"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, data and noise")
    return parser.parse_args()


def main() -> int:
    """Remake the family and return the exit code."""
    arguments = parse_arguments()
    starting_ends()
    return run_job(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Remake the family, say meanwhile how far that is, and print its figures."""
    with Working("pretrain: starting") as working:
        package = logging.getLogger(itportrait.__name__)  # others talk of every model they open
        package.addHandler(_Lines(working))
        package.setLevel(logging.INFO)
        figures = pretrain(arguments, working)
    print(table(figures))
    return 0


class _Lines(logging.Handler):
    """Writes log lines above the line that moves."""

    def __init__(self, working: Working) -> None:
        super().__init__()
        self.working = working
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line that stays."""
        self.working.line(self.format(record))


def pretrain(arguments: argparse.Namespace, working: Working) -> dict[str, Any]:
    """Draw -> train each -> export -> report; return the figures."""
    device = str(torch_device(arguments.device, argument="--device"))
    paths = Paths(arguments.data, arguments.runs, arguments.weights, arguments.start)
    start = time.monotonic()
    specs = dataset_specs(
        people=arguments.people,
        styled_people=arguments.styled_people,
        held_out_people=arguments.held_out_people,
    )
    held_out = {name: spec for name, spec in specs.items() if name.endswith("val")}
    wanted = held_out if arguments.measure_only else specs
    working.now("drawing portraits")
    draw(paths, wanted, workers=arguments.workers, progress=working.step)

    budgets = {} if arguments.measure_only else share_out(arguments)
    for name, minutes in budgets.items():
        logger.info("training %s for %.1f minutes", name, minutes)
        working.now(f"training {name}")
        loop = LoopConfig(minutes=minutes, seed=arguments.seed)
        train(name, paths, loop, device=device, show=lambda share: _show_share(working, share))
        finish_bundle(paths)

    working.now("measuring the family")
    figures = measure(paths, people=specs["photo-val"].people)
    extra = {
        "budget_minutes": budgets,
        "wall_minutes": (time.monotonic() - start) / 60,
        "portraits_drawn": {name: spec.rows for name, spec in specs.items()},
        "seed": arguments.seed,
        "device": device,
        "threads": torch.get_num_threads(),
    }
    paths.runs.mkdir(parents=True, exist_ok=True)
    write_report(paths.runs / "report.json", figures, extra)
    if budgets:
        write_card(
            paths.weights / "card.md",
            figures,
            portraits=sum(spec.rows for name, spec in specs.items() if name not in held_out),
            seeds=TRAIN_SEED,
            held_out=specs["photo-val"].people,
            budget=", ".join(f"{name} {value:.0f} min" for name, value in budgets.items()),
            license=LICENSE,
        )
    return figures


def _show_share(working: Working, share: float) -> None:
    percent = min(round(100 * share), 100)
    working.step(percent, 100, f"{percent}% of its time")


def share_out(arguments: argparse.Namespace) -> dict[str, float]:
    """Return the minutes of each network that is to be trained, in their order."""
    chosen = [name for name in NETWORKS if arguments.only is None or name in arguments.only]
    whole = sum(NETWORKS[name].share for name in chosen)
    return {name: arguments.budget_minutes * NETWORKS[name].share / whole for name in chosen}


def measure(paths: Paths, *, people: int) -> dict[str, Any]:
    """Return all figures of the bundle: of its models, and of the stages that run on them."""
    photos = read_portraits(paths.data / "photo-val", geometry=True)
    styled = read_portraits(paths.data / "domains-val", geometry=True)
    figures = evaluate(paths.weights, photos, styled)
    bundle, held_out = load_bundle(paths.weights), sample_people(2 * people, HELD_OUT_SEED)
    figures |= measure_aligner(Aligner.of_bundle(ALIGN, bundle).align, held_out[:people])
    inverted = choose_people(held_out, count=16, each=12)
    figures |= measure_inversion(bundle, Inverter(INVERT, bundle).invert, inverted)
    if bundle.hyper is not None:
        invert = Inverter(HYPER, bundle).invert
        figures |= measure_inversion(bundle, invert, inverted, name="hyper")
    return figures


if __name__ == "__main__":
    run_program(main)
