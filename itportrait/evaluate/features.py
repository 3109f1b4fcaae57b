"""Networks whose features KID and FID compare, by name; no weights are downloaded."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from itportrait.bundle import Bundle
from itportrait.errors import CheckpointError, MissingModelError, UnknownNameError
from itportrait.image import to_uint8
from itportrait.weights.checkpoints import open_checkpoint
from itportrait.weights.stored import read_tensor

PERCEPTUAL, INCEPTION = "perceptual", "inception"
INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"
INCEPTION_URL = (
    f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{INCEPTION_FILE}"
)


@dataclass(frozen=True)
class FeatureNetwork:
    """A network that turns pictures into features.

    Args:
        name: stands beside every value that was computed with it.
        embed: pictures `[N, 3, H, W]` in [-1, 1] -> features `[N, D]`.
    """

    name: str
    embed: Callable[[Tensor], Tensor] = field(repr=False)

    @torch.no_grad()
    def features(self, images: Tensor, *, batch_size: int = 8) -> Tensor:
        """Return the features `[N, D]` of pictures `[N, 3, H, W]` in [-1, 1]."""
        starts = range(0, len(images), batch_size)
        return torch.cat([self.embed(images[start : start + batch_size]) for start in starts])


def feature_network(
    bundle: Bundle, name: str = PERCEPTUAL, *, weights: str | Path | None = None
) -> FeatureNetwork:
    """Return the feature network of a name.

    Args:
        bundle: whose perceptual network `perceptual` is.
        name: `perceptual`, or `inception` for the network of published FID and KID values.
        weights: file of `inception`; by default the one in torch's hub folder.

    Raises:
        UnknownNameError: no network of this name.
        MissingModelError: the package or the weights of `inception` are not on this machine.
        CheckpointError: the weights are not Inception's.
    """
    if name == PERCEPTUAL:
        return FeatureNetwork(bundle.perceptual.name, bundle.perceptual.embed)
    if name == INCEPTION:
        network = _inception(weights).to(bundle.device)
        return FeatureNetwork("inception-v3-2048", partial(_embed_bytes, network))
    raise UnknownNameError("feature network", name, [PERCEPTUAL, INCEPTION])


def _embed_bytes(network: nn.Module, images: Tensor) -> Tensor:
    pixels = torch.as_tensor(to_uint8(images), device=images.device)
    return network(pixels.permute(0, 3, 1, 2))


def _inception(weights: str | Path | None) -> nn.Module:
    """Build torchmetrics' network; its weights pass through our reader, which runs no code."""
    path = Path(weights or Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_FILE)
    if find_spec("torch_fidelity") is None:
        raise MissingModelError(
            "the feature network inception needs the package torch-fidelity; install it with "
            "`pip install 'itportrait[inception]'`, or choose perceptual"
        )
    if not path.is_file():
        raise MissingModelError(
            f"the weights of the feature network inception are not at {path}; fetch them with "
            f"`curl -L --create-dirs -o {path} {INCEPTION_URL}`, or choose perceptual"
        )
    from torchmetrics.image.fid import NoTrainInceptionV3

    with open_checkpoint(path) as stored, tempfile.TemporaryDirectory() as folder:
        clean = Path(folder) / "weights.pth"
        torch.save({name: read_tensor(tensor) for name, tensor in stored.tensors.items()}, clean)
        try:
            return NoTrainInceptionV3("inception-v3-compat", ["2048"], str(clean))
        except RuntimeError as error:
            raise CheckpointError(
                f"{path} does not hold the Inception network of FID; fetch it from {INCEPTION_URL}"
            ) from error
