"""Train one network of the family after the other: data in, task, loop, exported file.

Each function reads what it needs from `paths.data`, keeps its checkpoint and curve in
`paths.runs/NETWORK`, and writes what is shipped to `paths.weights`.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch

from itportrait.generator.generator import TriPlaneGenerator
from itportrait.generator.presets import mini_config
from itportrait.mini.portraits import PHOTO
from itportrait.mini.training.data import PortraitData, read_portraits
from itportrait.mini.training.generator import GeneratorTask, GeneratorTraining, set_mean_code
from itportrait.mini.training.loop import LoopConfig, TrainingLoop

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Paths:
    """Where training reads and writes."""

    data: Path
    """Folder of the drawn datasets `photo-train`, `photo-val`, `domains-train`, `domains-val`."""
    runs: Path
    """Checkpoints and curves."""
    weights: Path
    """The shipped bundle."""


def photos(paths: Paths) -> tuple[PortraitData, PortraitData]:
    """Return (photos to train on, photos of held-out people), with geometry."""
    return (
        read_portraits(paths.data / "photo-train", domains=(PHOTO,), geometry=True),
        read_portraits(paths.data / "photo-val", domains=(PHOTO,), geometry=True),
    )


def generator_task(
    paths: Paths, config: GeneratorTraining, *, seed: int, device: str
) -> GeneratorTask:
    """Build the generator's task; shards that appear later join the data."""
    torch.manual_seed(seed)
    train, held_out = photos(paths)
    logger.info("generator: %d portraits, %d held out", len(train), len(held_out))
    network = TriPlaneGenerator(mini_config()).to(device)
    task = GeneratorTask(network, train, held_out, config, seed=seed, device=device)
    shards = len(list((paths.data / "photo-train").glob("shard-*")))

    def refresh() -> PortraitData | None:
        nonlocal shards
        now = len(list((paths.data / "photo-train").glob("shard-*")))
        if now == shards:
            return None
        shards = now
        return photos(paths)[0]

    task.refresh = refresh
    return task


def train_generator(paths: Paths, loop: LoopConfig, *, device: str = "cpu") -> TriPlaneGenerator:
    """Train the generator within the budget; return it with averaged weights and `w_avg`."""
    task = generator_task(paths, GeneratorTraining(), seed=loop.seed, device=device)
    TrainingLoop(task, loop, paths.runs / "generator").run()
    set_mean_code(task.average)
    return task.average
