"""Perceptual distances: features of a small network of ours, or LPIPS with VGG."""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.errors import CheckpointError, InvalidArgumentError, MissingModelError
from itportrait.image import resize
from itportrait.perception.files import kind_of
from itportrait.perception.rectified import run_rectified
from itportrait.perception.trunk import ConvTrunk, TrunkNetwork, check_image
from itportrait.weights.checkpoints import open_checkpoint
from itportrait.weights.networks import copy_weights, find_misfits


def check_pair(a: Tensor, b: Tensor) -> None:
    """Refuse what is not two batches of equally many pictures.

    Raises:
        InvalidArgumentError: wrong shapes.
    """
    check_image(a)
    check_image(b)
    if a.shape[0] != b.shape[0]:
        raise InvalidArgumentError(
            "b", expected=f"{a.shape[0]} pictures, as many as a", actual=b.shape[0]
        )


def feature_distance(a: list[Tensor], b: list[Tensor]) -> Tensor:
    """Return `[N]`: squared distance of unit features, averaged over places and layers.

    Source: Zhang et al., "The unreasonable effectiveness of deep features", CVPR 2018, eq. 1,
    without learned channel weights.
    """
    layers = [
        (F.normalize(x, dim=1, eps=1e-6) - F.normalize(y, dim=1, eps=1e-6))
        .square()
        .sum(1)
        .mean((1, 2))
        for x, y in zip(a, b, strict=True)
    ]
    return torch.stack(layers).mean(0)


class PerceptualModel(TrunkNetwork):
    """Distance of pictures in the features of a network trained on drawn portraits.

    The network recognizes latents and domains from distorted pictures (`pretrain/networks`).
    """

    name = "itportrait-mini-perceptual"

    def features(self, image: Tensor) -> list[Tensor]:
        """Return the feature maps of `[N, 3, H, W]` in [-1, 1]; keep them for a fixed target."""
        return self.trunk(image)

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Compare pictures pairwise.

        Args:
            a: `[N, 3, H, W]` in [-1, 1], any size.
            b: as many.

        Returns:
            `[N]`, 0 for equal pictures, about 1 for different people.

        Raises:
            InvalidArgumentError: wrong shapes.
        """
        check_pair(a, b)
        return self.compare(self.features(a), self.features(b))

    def compare(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """Return `distance` `[N]` of two batches by their feature maps."""
        return feature_distance(a, b)

    def embed(self, image: Tensor) -> Tensor:
        """Return pooled features `[N, D]`, for kernel distances between sets of pictures (KID)."""
        return ConvTrunk.pool(self.features(image))


VGG_FILE = "vgg16-397923af.pth"
VGG_URL = f"https://download.pytorch.org/models/{VGG_FILE}"


class LpipsModel(nn.Module):
    """LPIPS (VGG) of the `lpips` package, with weights that lie on this machine already.

    Args:
        vgg_weights: torchvision's VGG-16 file; by default the one in torch's hub folder.

    Raises:
        MissingModelError: no such file; names the command that fetches it.
        CheckpointError: the file is not VGG-16.
    """

    name = "lpips-vgg"

    def __init__(self, vgg_weights: str | Path | None = None) -> None:
        super().__init__()
        path = Path(vgg_weights or Path(torch.hub.get_dir()) / "checkpoints" / VGG_FILE)
        if not path.is_file():
            if path.suffix == ".safetensors":
                raise MissingModelError(
                    f"the converted weights of a perceptual distance are not at {path}; get them "
                    "with `itportrait models get stlpips-vgg`"
                )
            raise MissingModelError(
                f"the VGG-16 weights of LPIPS are not at {path}; fetch them with "
                f"`curl --create-dirs -o {path} {VGG_URL}`"
            )
        import lpips

        # pnet_rand keeps torchvision from downloading; the linear weights are inside the package.
        with warnings.catch_warnings():  # the package calls torchvision as it was called before
            warnings.simplefilter("ignore", UserWarning)
            self.lpips = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False)
        self._load_vgg(path)
        self.eval().requires_grad_(False)

    def _load_vgg(self, path: Path) -> None:
        own = self.lpips.net.state_dict()
        with open_checkpoint(path) as stored:
            published = {name: "features." + name.split(".", 1)[1] for name in own}
            tensors = {
                name: stored.tensors[key]
                for name, key in published.items()
                if key in stored.tensors
            }
            if misfits := find_misfits(own, tensors):
                raise CheckpointError(f"is not torchvision's VGG-16; {misfits}")
            copy_weights(own, tensors)

    def distance(self, a: Tensor, b: Tensor, *, size: int = 256) -> Tensor:
        """Compare pictures pairwise, both resized to `size`; see `PerceptualModel.distance`."""
        check_pair(a, b)
        return self.compare(self.features(a, size=size), self.features(b, size=size))

    def compare(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """Return `distance` `[N]` of two batches by their feature maps."""
        from lpips import normalize_tensor as unit

        layers = zip(self.lpips.lins, a, b, strict=True)
        parts = [head((unit(x) - unit(y)).square()).mean((1, 2, 3)) for head, x, y in layers]
        return torch.stack(parts).sum(0)

    def features(self, image: Tensor, *, size: int = 256) -> list[Tensor]:
        """Return the feature maps of `[N, 3, H, W]` in [-1, 1]; keep them for a fixed target."""
        check_image(image)
        net, maps = self.lpips.net, [self.lpips.scaling_layer(resize(image, size))]
        for part in (net.slice1, net.slice2, net.slice3, net.slice4, net.slice5):
            maps.append(run_rectified(part, maps[-1]))
        return maps[1:]

    def embed(self, image: Tensor, *, size: int = 256) -> Tensor:
        """Return pooled features `[N, 1024]` of the last two VGG stages."""
        features = self.features(image, size=size)
        return torch.cat([item.mean((2, 3)) for item in features[-2:]], dim=1)


def load_lpips(path: str | Path | None = None) -> LpipsModel:
    """Load LPIPS with torchvision's VGG-16, or the shift-tolerant kind, by the file's kind.

    Args:
        path: torchvision's file, or a converted one (`itportrait models get stlpips-vgg`); by
            default torchvision's in torch's hub folder.

    Raises:
        MissingModelError, CheckpointError: see the two classes.
    """
    from itportrait.perception.shift_tolerant import KIND, ShiftTolerantModel  # derives from ours

    converted = path is not None and Path(path).suffix == ".safetensors" and Path(path).is_file()
    if path is not None and converted and kind_of(path) == KIND:
        return ShiftTolerantModel.load(path)
    return LpipsModel(path)
