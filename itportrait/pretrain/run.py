"""Train one network of the family after the other: data in, task, loop, exported file.

A training reads what it needs from `paths.data`, keeps its checkpoint and curve in
`paths.runs/NETWORK`, and writes what is shipped to `paths.weights`. It continues from its
checkpoint; when its budget is spent, it only exports.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from itportrait.bundle import PerceptionSpec, load_bundle, write_bundle
from itportrait.bundle.spec import CameraPrior, ClipSpec
from itportrait.errors import InvalidArgumentError, MissingModelError
from itportrait.generator.generator import TriPlaneGenerator
from itportrait.generator.io import load_generator
from itportrait.generator.presets import mini_config
from itportrait.perception.clip import MINI_NAME, WEIGHTS_FILE
from itportrait.perception.encoder import EncoderModel
from itportrait.perception.perceptual import PerceptualModel
from itportrait.portraits import DOMAINS, HELD_OUT_SEED, PHOTO, TRAIN_SEED
from itportrait.pretrain import dataset
from itportrait.pretrain.dataset import DatasetSpec, draw_dataset
from itportrait.pretrain.networks.clip import ClipTask, ClipTraining
from itportrait.pretrain.networks.encoder import EncoderTask, EncoderTraining
from itportrait.pretrain.networks.generator import GeneratorTask, GeneratorTraining
from itportrait.pretrain.networks.hyper import HyperTask, HyperTraining
from itportrait.pretrain.networks.identity import IdentityTask, IdentityTraining
from itportrait.pretrain.networks.perceptual import PerceptualTask, PerceptualTraining
from itportrait.pretrain.training.data import read_portraits
from itportrait.pretrain.training.loop import LoopConfig, TrainingLoop
from itportrait.pretrain.training.task import NetworkTask, TaskInputs

logger = logging.getLogger(__name__)

KINDS = ("photo", "domains")
"""Datasets: photos in several views, and every domain in one view."""
CLIPS = {"clip": 1.0, "clip-traits": 0.2}
"""Image-text models, each in a folder of its name, with their weights in guiding an adaptation.
With equal weights eyes wash out and noses run (docs/decisions.md)."""
LICENSE = (
    "Apache-2.0. Weights made by this project from portraits that it draws itself; no photo of a "
    "person and no foreign model took part."
)


@dataclass(frozen=True)
class Paths:
    """Where training reads and writes."""

    data: Path
    """Folder of the drawn datasets `photo-train`, `photo-val`, `domains-train`, `domains-val`."""
    runs: Path
    """Checkpoints and curves."""
    weights: Path
    """The shipped bundle."""
    start: Path | None = None
    """Bundle whose generator, encoder and image-text models the training of these networks begins
    with, where there is no checkpoint. Without one, it begins from nothing."""


def dataset_specs(
    *, people: int, styled_people: int, held_out_people: int
) -> dict[str, DatasetSpec]:
    """Return the datasets by name: photos in three views, and every domain in one view."""
    return {
        "photo-val": DatasetSpec(people=held_out_people, people_seed=HELD_OUT_SEED, shard_size=96),
        "photo-train": DatasetSpec(people=people, people_seed=TRAIN_SEED),
        "domains-val": DatasetSpec(
            people=held_out_people,
            people_seed=HELD_OUT_SEED,
            views_per_person=1,
            domains=(PHOTO, *DOMAINS),
            shard_size=64,
        ),
        "domains-train": DatasetSpec(
            people=styled_people, people_seed=TRAIN_SEED, views_per_person=1, domains=DOMAINS
        ),
    }


def draw(
    paths: Paths,
    specs: dict[str, DatasetSpec],
    *,
    workers: int,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Draw the shards that are missing; a folder that is complete costs nothing.

    Args:
        paths: where.
        specs: datasets by name.
        workers: number of processes.
        progress: called after each shard with (shards done, shards in all) of its dataset.
    """
    for name, spec in specs.items():
        logger.info("drawing %s: %d portraits", name, spec.rows)
        draw_dataset(paths.data / name, spec, workers=workers, progress=progress)


def train(
    name: str,
    paths: Paths,
    loop: LoopConfig,
    *,
    device: str = "cpu",
    show: Callable[[float], None] | None = None,
) -> None:
    """Train one of `NETWORKS` within a budget, and export it.

    Args:
        name: of the network.
        paths: where to read and write.
        loop: its budget.
        device: to train on.
        show: called after each step with the share of the budget that is spent.

    Raises:
        MissingModelError: a network that it is built on is not exported yet.
    """
    torch.manual_seed(loop.seed)
    task = NETWORKS[name].task(paths, loop.seed, device)
    TrainingLoop(task, loop, paths.runs / name).run(show=show)
    paths.weights.mkdir(parents=True, exist_ok=True)
    task.export(paths.weights)


def _photos(paths: Paths, seed: int, device: str) -> TaskInputs:
    """Return photos with geometry."""
    train, held_out = (
        read_portraits(paths.data / f"photo-{part}", domains=(PHOTO,), geometry=True)
        for part in ("train", "val")
    )
    return TaskInputs(train, held_out, seed, device)


def _portraits(paths: Paths, seed: int, device: str, *, geometry: bool = False) -> TaskInputs:
    """Return portraits in all domains."""
    train, held_out = (
        read_portraits(*(paths.data / f"{kind}-{part}" for kind in KINDS), geometry=geometry)
        for part in ("train", "val")
    )
    return TaskInputs(train, held_out, seed, device)


def _generator(paths: Paths, seed: int, device: str) -> GeneratorTask:
    inputs = _photos(paths, seed, device)
    if paths.start is None:
        network, config = TriPlaneGenerator(mini_config()), GeneratorTraining()
    else:
        network, config = _trained_before(paths.start).train(), GeneratorTraining.of_trained()
    return GeneratorTask(network.requires_grad_(True).to(device), inputs, config)


def _trained_before(folder: Path) -> TriPlaneGenerator:
    generator = load_generator(folder)
    if not isinstance(generator, TriPlaneGenerator):
        raise InvalidArgumentError(
            "start", expected="a tri-plane generator", actual=type(generator).__name__
        )
    return generator


def _perceptual(paths: Paths, seed: int, device: str) -> PerceptualTask:
    return PerceptualTask(_portraits(paths, seed, device), PerceptualTraining())


def _identity(paths: Paths, seed: int, device: str) -> IdentityTask:
    """Begin with the perceptual network's trunk, where there is one."""
    inputs, known = _portraits(paths, seed, device, geometry=True), _perceptual_model(paths)
    return IdentityTask(inputs, IdentityTraining(), trunk=known.trunk if known else None)


def _clip(paths: Paths, seed: int, device: str) -> ClipTask:
    """Begin the model of styles from nothing, or with that of another bundle."""
    if paths.start is None:
        return _image_text("clip", paths, ClipTraining(), None, seed, device)
    start = paths.start / "clip"
    return _image_text("clip", paths, ClipTraining.of_trained(), start, seed, device)


def _clip_traits(paths: Paths, seed: int, device: str) -> ClipTask:
    """Begin the model of traits with the model of styles, or with that of another bundle."""
    name = "clip-traits"
    start = paths.weights / "clip" if paths.start is None else paths.start / name
    if not (start / WEIGHTS_FILE).exists():
        raise MissingModelError(
            f"no image-text model in {start}; train it first (--only clip --only clip-traits)"
        )
    return _image_text(name, paths, ClipTraining.of_traits(), start, seed, device)


def _image_text(
    name: str, paths: Paths, config: ClipTraining, start: Path | None, seed: int, device: str
) -> ClipTask:
    inputs = _portraits(paths, seed, device)
    # One photo of each person, so that photos do not outnumber the other domains.
    inputs = replace(inputs, train=inputs.train.take(inputs.train.view == 0))
    return ClipTask(paths.runs / name, inputs, config, start=start, name=name)


def _encoder(paths: Paths, seed: int, device: str) -> EncoderTask:
    """Train the encoder for the generator that is exported already."""
    if not (paths.weights / "generator.safetensors").exists():
        raise MissingModelError(
            f"no generator in {paths.weights}; train it first (--only generator)"
        )
    generator = load_generator(paths.weights).to(device)
    start, config = None, EncoderTraining()
    if paths.start is not None:
        start = EncoderModel.load(paths.start / "encoder.safetensors").train()
        config = EncoderTraining.of_trained()
    inputs, perceptual = _photos(paths, seed, device), _perceptual_model(paths)
    if perceptual is not None:
        perceptual.to(device)
    return EncoderTask(generator, inputs, config, perceptual=perceptual, start=start)


def _hyper(paths: Paths, seed: int, device: str) -> HyperTask:
    """Train the hyper-network for the generator and encoder that are exported already."""
    for name in ("generator", "encoder"):
        if not (paths.weights / f"{name}.safetensors").exists():
            raise MissingModelError(
                f"no {name} in {paths.weights}; train it first (--only {name} --only hyper)"
            )
    generator = load_generator(paths.weights)
    encoder = EncoderModel.load(paths.weights / "encoder.safetensors")
    return HyperTask(generator, encoder, _photos(paths, seed, device), HyperTraining())


def _perceptual_model(paths: Paths) -> PerceptualModel | None:
    path = paths.weights / "perceptual.safetensors"
    return PerceptualModel.load(path) if path.exists() else None


def finish_bundle(paths: Paths) -> None:
    """Write `model.json` over whatever is exported already, and check that it opens."""
    weights = paths.weights
    present = {name: f"{name}.safetensors" for name in ("perceptual", "identity", "encoder")}
    present = {name: file for name, file in present.items() if (weights / file).exists()}
    clips = [name for name in CLIPS if (weights / name / WEIGHTS_FILE).exists()]
    write_bundle(
        weights,
        name="mini",
        family="mini",
        license=LICENSE,
        camera_prior=CameraPrior(yaw_std_rad=dataset.YAW_STD, pitch_std_rad=dataset.PITCH_STD),
        perception=PerceptionSpec(
            clips=tuple(
                ClipSpec(kind="mini", name=MINI_NAME, path=name, weight=CLIPS[name])
                for name in clips
            ),
            perceptual="mini",
            perceptual_path=present.get("perceptual"),
            identity_path=present.get("identity"),
            encoder_path=present.get("encoder"),
        ),
        hyper="hyper.safetensors" if (weights / "hyper.safetensors").exists() else None,
    )
    load_bundle(weights).verify()


@dataclass(frozen=True)
class Network:
    """A network of the family."""

    share: float
    """Part of the whole budget, beside those of the others that are trained."""
    task: Callable[[Paths, int, str], NetworkTask[Any, Any]]
    """Build its training from where it reads and writes, a seed and a device."""


NETWORKS = {
    "generator": Network(0.55, _generator),
    "perceptual": Network(0.06, _perceptual),
    "identity": Network(0.05, _identity),
    "clip": Network(0.1, _clip),
    "clip-traits": Network(0.12, _clip_traits),
    "encoder": Network(0.12, _encoder),
    "hyper": Network(0.3, _hyper),
}
"""In the order of training: the encoder needs the generator and the perceptual network, the
hyper-network needs the generator and the encoder, and the image-text model of traits begins as the
model of styles (`clip`)."""
