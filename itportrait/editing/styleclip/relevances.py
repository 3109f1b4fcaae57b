"""How each channel of style space changes pictures, as image-text models see it: a bundle's own.

For some random portraits a channel is set to its mean minus, and then plus, some standard
deviations. The change of a model's features between the two renders, scaled to length one and
averaged over the portraits, is the channel's direction; it is the shorter, the less the portraits
agree. It is measured once for a bundle and a set
of settings, in many renders, and kept:

    BUNDLE/relevances/KEY.safetensors                comes with a bundle
    ITPORTRAIT_CACHE/relevances/KEY/LAYER.safetensors    measured on this machine, a file a layer

A measurement that is interrupted goes on with the layers that are missing.
"""

import logging
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock
from safetensors.torch import save
from torch import Tensor

from itportrait.adapt.sampling import random_codes
from itportrait.bundle import Bundle
from itportrait.bundle.spec import RELEVANCES_FOLDER
from itportrait.cache import cache_folder
from itportrait.config import fingerprint
from itportrait.editing.styleclip.config import RelevanceConfig
from itportrait.editing.styleclip.space import StyleLayer, style_layers, style_statistics
from itportrait.errors import CheckpointError
from itportrait.learning.seeds import step_rng
from itportrait.losses import unit
from itportrait.styles import Codes
from itportrait.weights.networks import open_weights

logger = logging.getLogger(__name__)

VERSION = 1
"""Version of the measurement. It is raised when results change; relevances are then made anew."""
_STATISTICS_BATCH = 1000
_STD, _CLIP = "std", "clip"


@dataclass(frozen=True)
class Relevances:
    """What is known of style space's channels.

    Args:
        layers: of style space.
        std: standard deviation of each channel, `[channels]`.
        directions: one tensor `[channels, D]` for each image-text model of the bundle, of rows not
            longer than 1: the shorter, the less portraits agree.
    """

    layers: list[StyleLayer]
    std: Tensor
    directions: list[Tensor]

    def save(self, path: Path) -> None:
        """Write a file, whole or not at all; directions in half precision."""
        parts = {f"{_CLIP}{n:02d}": part.half() for n, part in enumerate(self.directions)}
        tensors = {_STD: self.std, **parts}
        data = save({name: tensor.cpu().contiguous() for name, tensor in tensors.items()})
        temporary = path.with_suffix(f".{uuid.uuid4().hex}.tmp")
        temporary.write_bytes(data)
        temporary.replace(path)


def load_relevances(bundle: Bundle, config: RelevanceConfig) -> Relevances:
    """Return the relevances of a bundle: those that come with it, or measured once and kept.

    Args:
        bundle: with a generator that has a style space, and image-text models.
        config: how they are measured.

    Raises:
        InvalidArgumentError: the generator has no style space.
        CheckpointError: a file of the cache is damaged.
    """
    layers, key = style_layers(bundle.generator), relevance_key(bundle, config)
    ready = bundle.directory / RELEVANCES_FOLDER / f"{key}.safetensors"
    if ready.is_file():
        return read_relevances(ready, layers)
    folder = cache_folder() / RELEVANCES_FOLDER / key
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):  # who comes second finds what the first has measured
        return _measured(bundle, config, layers, folder)


def relevance_key(bundle: Bundle, config: RelevanceConfig) -> str:
    """Return the name under which relevances are kept: that of the base model and all settings."""
    measured = config.model_dump(exclude={"batch"})
    return f"{bundle.name}-{fingerprint(bundle.model_id, measured, VERSION)}"


def statistics(
    bundle: Bundle, config: RelevanceConfig, layers: list[StyleLayer]
) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel over random codes, `[channels]`."""

    def codes() -> Iterator[Tensor]:
        for number, start in enumerate(range(0, config.statistics_samples, _STATISTICS_BATCH)):
            rng = step_rng(config.seed, 0, number, "stat")
            count = min(_STATISTICS_BATCH, config.statistics_samples - start)
            yield random_codes(bundle, count, rng, config.truncation_psi)

    return style_statistics(bundle.generator, layers, codes())


def read_relevances(path: Path, layers: list[StyleLayer]) -> Relevances:
    """Read what `Relevances.save` wrote of these layers.

    Raises:
        CheckpointError: damaged, or of other layers.
    """
    with open_weights(path) as file:
        tensors = {name: stored.read().float() for name, stored in file.tensors.items()}
        std = tensors.pop(_STD, torch.empty(0))
        count = sum(len(layer.channels) for layer in layers)
        if not tensors or any(len(part) != count for part in (std, *tensors.values())):
            raise CheckpointError(f"not the relevances of {count} channels; delete it")
        return Relevances(layers, std, [tensors[name] for name in sorted(tensors)])


def _measured(
    bundle: Bundle, config: RelevanceConfig, layers: list[StyleLayer], folder: Path
) -> Relevances:
    """Return the relevances, layer by layer from the cache, or measured and put there."""
    files = {layer.name: folder / f"{layer.name}.safetensors" for layer in layers}
    missing = [layer for layer in layers if not files[layer.name].is_file()]
    if missing:
        count = sum(len(layer.channels) for layer in missing)
        logger.info(
            "measuring the relevances of %d channels of %s, %d renders, once; they are kept in %s",
            count,
            bundle.name,
            2 * count * config.samples,
            folder,
        )
        mean, std = statistics(bundle, config, layers)
        for layer in missing:
            part = slice(layer.channels.start, layer.channels.stop)
            began = time.perf_counter()
            found = measure_layer(bundle, config, layer, mean[part], std[part])
            Relevances([layer], std[part], found).save(files[layer.name])
            seconds = time.perf_counter() - began
            logger.info("%s: %d channels in %.0f s", layer.name, len(mean[part]), seconds)
    parts = [read_relevances(files[layer.name], [layer]) for layer in layers]
    directions = zip(*(part.directions for part in parts), strict=True)
    std = torch.cat([part.std for part in parts])
    return Relevances(layers, std, [torch.cat(each) for each in directions])


@torch.no_grad()
def measure_layer(
    bundle: Bundle, config: RelevanceConfig, layer: StyleLayer, mean: Tensor, std: Tensor
) -> list[Tensor]:
    """Return the directions of a layer's channels, one tensor `[channels, D]` a model.

    Args:
        bundle: with the generator and the image-text models.
        config: how many portraits, and how far a channel is set from its mean.
        layer: whose channels are measured.
        mean: of each of its channels.
        std: of each of its channels.
    """
    rng = step_rng(config.seed, 0, 0, "rel")
    ws = random_codes(bundle, config.samples, rng, config.truncation_psi)
    codes = Codes(ws, bundle.camera_prior.sample(config.samples, rng).to(ws.device))

    def features(channel: int, deviations: float) -> list[Tensor]:
        place = channel - layer.channels.start
        value = float(mean[place] + deviations * std[place])
        changed = layer.with_channel(bundle.generator, channel, value)
        parts = [
            [clip.encode_image(image) for clip in bundle.clips]
            for image in (
                changed.synthesize(part.ws, part.cameras).final_image
                for part in codes.split(config.batch)
            )
        ]
        return [torch.cat(each) for each in zip(*parts, strict=True)]

    def directions(channel: int) -> list[Tensor]:
        pairs = zip(
            features(channel, config.deviations),
            features(channel, -config.deviations),
            strict=True,
        )
        return [unit(more - less).mean(0) for more, less in pairs]

    rows = [directions(channel) for channel in layer.channels]
    return [torch.stack(each) for each in zip(*rows, strict=True)]
