"""Remake the embedded model family from nothing: draw, train, export, measure.

    python workflows/pretrain_mini.py --budget-minutes 90
    python workflows/pretrain_mini.py --only generator --budget-minutes 180 --device cuda

The budget is training time and is divided among the networks (`--only` gives it to one). The same
command again goes on where the last one stopped: drawn shards, checkpoints and exported networks
are kept. A larger budget trains networks further that had used up a smaller one.
"""

import argparse
import logging
import os
import time
from pathlib import Path

import torch

import itportrait
from itportrait.mini.evaluation import evaluate, table, write_card, write_report
from itportrait.mini.portraits import TRAIN_SEED
from itportrait.mini.training.data import read_portraits
from itportrait.mini.training.loop import LoopConfig
from itportrait.mini.training.run import (
    LICENCE,
    NETWORKS,
    SHARES,
    TRAINERS,
    Paths,
    dataset_specs,
    draw,
    finish_bundle,
)

RUNS = Path(os.environ.get("ITPORTRAIT_RUNS", "runs"))
WEIGHTS = Path(itportrait.__file__).parent / "mini" / "weights"


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--budget-minutes", type=float, default=90.0, help="of training, in all")
    parser.add_argument("--only", action="append", choices=NETWORKS, help="may be given again")
    parser.add_argument("--data", type=Path, default=RUNS / "mini-data", help="drawn portraits")
    parser.add_argument("--runs", type=Path, default=RUNS / "pretrain", help="checkpoints, curves")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="where the bundle is written")
    parser.add_argument("--people", type=int, default=4000, help="people drawn as photos")
    parser.add_argument("--styled-people", type=int, default=500, help="people in every domain")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="of drawing")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Draw -> train each -> export -> report."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    arguments = parse_arguments()
    paths = Paths(arguments.data, arguments.runs, arguments.weights)
    start = time.monotonic()
    specs = dataset_specs(people=arguments.people, styled_people=arguments.styled_people)
    draw(paths, specs, workers=arguments.workers)

    chosen = [name for name in NETWORKS if arguments.only is None or name in arguments.only]
    whole = sum(SHARES[name] for name in chosen)
    budgets = {name: arguments.budget_minutes * SHARES[name] / whole for name in chosen}
    for name in chosen:
        logging.info("training %s for %.1f minutes", name, budgets[name])
        loop = LoopConfig(minutes=budgets[name], seed=arguments.seed)
        TRAINERS[name](paths, loop, device=arguments.device)
        finish_bundle(paths)

    photos = read_portraits(paths.data / "photo-val", geometry=True)
    styled = read_portraits(paths.data / "domains-val", geometry=True)
    figures = evaluate(paths.weights, photos, styled)
    extra = {
        "budget_minutes": budgets,
        "wall_minutes": (time.monotonic() - start) / 60,
        "portraits_drawn": {name: spec.rows for name, spec in specs.items()},
        "seed": arguments.seed,
        "device": arguments.device,
        "threads": torch.get_num_threads(),
    }
    write_report(paths.runs / "report.json", figures, extra)
    write_card(
        paths.weights / "card.md",
        figures,
        portraits=sum(spec.rows for name, spec in specs.items() if name.endswith("train")),
        seeds=TRAIN_SEED,
        held_out=specs["photo-val"].people,
        budget=", ".join(f"{name} {value:.0f} min" for name, value in budgets.items()),
        licence=LICENCE,
    )
    print(table(figures))


if __name__ == "__main__":
    main()
