"""Train one network of the family after the other: data in, task, loop, exported file.

Each function reads what it needs from `paths.data`, keeps its checkpoint and curve in
`paths.runs/NETWORK`, and writes what is shipped to `paths.weights`. A run goes on from its
checkpoint; one whose budget is spent only exports.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch

from itportrait.bundle import PerceptionSpec, load_bundle, write_bundle
from itportrait.bundle.spec import CameraPrior, ClipSpec
from itportrait.errors import InvalidArgumentError, MissingModelError
from itportrait.generator.base import Generator
from itportrait.generator.generator import TriPlaneGenerator
from itportrait.generator.io import load_generator, save_generator
from itportrait.generator.presets import mini_config
from itportrait.perception.clip import MINI_NAME, WEIGHTS_FILE
from itportrait.perception.encoder import EncoderModel
from itportrait.perception.perceptual import PerceptualModel
from itportrait.perception.trunk import ConvTrunk
from itportrait.portraits import DOMAINS, HELD_OUT_SEED, PHOTO, TRAIN_SEED
from itportrait.pretrain import dataset
from itportrait.pretrain.dataset import DatasetSpec, draw_dataset
from itportrait.pretrain.training.clip import ClipTask, ClipTraining
from itportrait.pretrain.training.data import PortraitData, read_portraits
from itportrait.pretrain.training.encoder import EncoderTask, EncoderTraining
from itportrait.pretrain.training.generator import GeneratorTask, GeneratorTraining, set_mean_code
from itportrait.pretrain.training.identity import IdentityTask
from itportrait.pretrain.training.loop import LoopConfig, Task, TrainingLoop
from itportrait.pretrain.training.perceptual import PerceptualTask

logger = logging.getLogger(__name__)

NETWORKS = ("generator", "perceptual", "identity", "clip", "clip-traits", "encoder")
"""In the order of training: the encoder needs the generator and the perceptual network, the
image-text model of traits begins as that of styles (`clip`)."""
SHARES = {
    "generator": 0.55,
    "perceptual": 0.06,
    "identity": 0.05,
    "clip": 0.1,
    "clip-traits": 0.12,
    "encoder": 0.12,
}
"""Of the whole budget."""
KINDS = ("photo", "domains")
"""Datasets: photos in several views, and every domain in one view."""
CLIPS = {"clip": 1.0, "clip-traits": 0.2}
"""Networks that are image-text models, each in a folder of its name, with their parts in guiding an
adaptation. With equal parts eyes are washed out and noses run (docs/decisions.md)."""
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
    """A bundle with whose generator, encoder and image-text models the training of the same begins,
    where there is no checkpoint; none begins anew."""


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


def draw(paths: Paths, specs: dict[str, DatasetSpec], *, workers: int) -> None:
    """Draw the shards that are missing; a folder that is complete costs nothing."""
    for name, spec in specs.items():
        logger.info("drawing %s: %d portraits", name, spec.rows)
        draw_dataset(paths.data / name, spec, workers=workers)


def photos(paths: Paths) -> tuple[PortraitData, PortraitData]:
    """Return (photos to train on, photos of held-out people), with geometry."""
    return (
        read_portraits(paths.data / "photo-train", domains=(PHOTO,), geometry=True),
        read_portraits(paths.data / "photo-val", domains=(PHOTO,), geometry=True),
    )


def portraits(
    paths: Paths, *, all_views: bool = True, geometry: bool = False
) -> tuple[PortraitData, PortraitData]:
    """Return (portraits to train on, of held-out people) in all domains.

    Args:
        all_views: false keeps one photo of each person, so that photos do not outnumber the rest.
        geometry: with depth and alpha.
    """
    folders = [paths.data / f"{kind}-{part}" for part in ("train", "val") for kind in KINDS]
    train = read_portraits(*folders[:2], geometry=geometry)
    if not all_views:
        train = train.take(train.view == 0)
    return train, read_portraits(*folders[2:], geometry=geometry)


def train_generator(paths: Paths, loop: LoopConfig, *, device: str = "cpu") -> None:
    """Train the generator; export its averaged weights with their mean code."""
    torch.manual_seed(loop.seed)
    train, held_out = photos(paths)
    if paths.start is None:
        network, config = TriPlaneGenerator(mini_config()), GeneratorTraining()
    else:
        network, config = _trained_before(paths.start).train(), GeneratorTraining.of_trained()
    network.requires_grad_(True).to(device)
    task = GeneratorTask(network, train, held_out, config, seed=loop.seed, device=device)
    _run(task, loop, paths)
    set_mean_code(task.average)
    save_generator(task.average, paths.weights, half=True)


def _trained_before(folder: Path) -> TriPlaneGenerator:
    generator = load_generator(folder)
    if not isinstance(generator, TriPlaneGenerator):
        raise InvalidArgumentError(
            "start", expected="a tri-plane generator", actual=type(generator).__name__
        )
    return generator


def train_perceptual(paths: Paths, loop: LoopConfig, *, device: str = "cpu") -> None:
    """Train and export the perceptual network."""
    torch.manual_seed(loop.seed)
    task = PerceptualTask(*portraits(paths), seed=loop.seed, device=device)
    _run(task, loop, paths)
    task.export().save(paths.weights / "perceptual.safetensors")


def train_identity(paths: Paths, loop: LoopConfig, *, device: str = "cpu") -> None:
    """Train and export the identity network, from the perceptual trunk where there is one."""
    torch.manual_seed(loop.seed)
    train, held_out = portraits(paths, geometry=True)
    task = IdentityTask(train, held_out, trunk=_trunk(paths), seed=loop.seed, device=device)
    _run(task, loop, paths)
    task.export().save(paths.weights / "identity.safetensors")


def train_clip(paths: Paths, loop: LoopConfig, *, device: str = "cpu") -> None:
    """Train and export the image-text model of styles."""
    if paths.start is None:
        _train_clip("clip", paths, loop, ClipTraining(), None, device)
    else:
        _train_clip("clip", paths, loop, ClipTraining.of_trained(), paths.start / "clip", device)


def train_clip_traits(paths: Paths, loop: LoopConfig, *, device: str = "cpu") -> None:
    """Train and export the image-text model of traits, which begins as that of styles.

    Raises:
        MissingModelError: there is none to begin with.
    """
    name = "clip-traits"
    start = paths.weights / "clip" if paths.start is None else paths.start / name
    if not (start / WEIGHTS_FILE).exists():
        raise MissingModelError(
            f"no image-text model in {start}; train it first (--only clip --only clip-traits)"
        )
    _train_clip(name, paths, loop, ClipTraining.of_traits(), start, device)


def _train_clip(
    name: str,
    paths: Paths,
    loop: LoopConfig,
    config: ClipTraining,
    start: Path | None,
    device: str,
) -> None:
    torch.manual_seed(loop.seed)
    train, held_out = portraits(paths, all_views=False)
    folder, seed = paths.runs / name, loop.seed
    task = ClipTask(
        folder, train, held_out, config, start=start, name=name, seed=seed, device=device
    )
    _run(task, loop, paths)
    task.export(paths.weights / name)


def train_encoder(paths: Paths, loop: LoopConfig, *, device: str = "cpu") -> None:
    """Train and export the encoder of the exported generator.

    Raises:
        MissingModelError: the generator is not exported yet.
    """
    torch.manual_seed(loop.seed)
    generator = load_generator_of(paths).to(device)
    path = paths.weights / "perceptual.safetensors"
    if paths.start is None:
        start, config = None, EncoderTraining()
    else:
        start = EncoderModel.load(paths.start / "encoder.safetensors").train()
        config = EncoderTraining.of_trained()
    task = EncoderTask(
        generator,
        *photos(paths),
        config,
        start=start,
        perceptual=PerceptualModel.load(path).to(device) if path.exists() else None,
        seed=loop.seed,
        device=device,
    )
    _run(task, loop, paths)
    task.export().save(paths.weights / "encoder.safetensors")


def load_generator_of(paths: Paths) -> Generator:
    """Load the exported generator.

    Raises:
        MissingModelError: there is none yet.
    """
    if not (paths.weights / "generator.safetensors").exists():
        raise MissingModelError(
            f"no generator in {paths.weights}; train it first (--only generator)"
        )
    return load_generator(paths.weights)


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
    )
    load_bundle(weights).verify()


def _run(task: Task, loop: LoopConfig, paths: Paths) -> None:
    TrainingLoop(task, loop, paths.runs / task.name).run()
    paths.weights.mkdir(parents=True, exist_ok=True)


def _trunk(paths: Paths) -> ConvTrunk | None:
    path = paths.weights / "perceptual.safetensors"
    return PerceptualModel.load(path).trunk if path.exists() else None


TRAINERS = {
    "generator": train_generator,
    "perceptual": train_perceptual,
    "identity": train_identity,
    "clip": train_clip,
    "clip-traits": train_clip_traits,
    "encoder": train_encoder,
}
