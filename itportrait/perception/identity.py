"""Who is on a picture: unit embeddings whose cosine says whether two pictures show one person."""

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.errors import CheckpointError, InvalidArgumentError, MissingModelError
from itportrait.perception.files import read_network, save_network
from itportrait.perception.trunk import ConvTrunk, check_image


class IdentityModel(nn.Module):
    """Base: `embed` is what differs."""

    name = "identity"

    def embed(self, image: Tensor) -> Tensor:
        """Return unit vectors `[N, D]` of `[N, 3, H, W]` in [-1, 1], any size."""
        raise NotImplementedError

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Return cosines `[N]` in [-1, 1] of pictures compared pairwise.

        Raises:
            InvalidArgumentError: wrong shapes.
        """
        first, second = self.embed(a), self.embed(b)
        if first.shape != second.shape:
            raise InvalidArgumentError("b", expected=f"{len(first)} pictures", actual=len(second))
        return (first * second).sum(1)


class MiniIdentityModel(IdentityModel):
    """The embedded network, trained on drawn people in every view, light and domain."""

    name = "itportrait-mini-identity"

    def __init__(self, trunk: ConvTrunk, size: int = 64) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(trunk.widths[-1] * 16, size)

    def embed(self, image: Tensor) -> Tensor:
        """Return unit vectors `[N, D]` of `[N, 3, H, W]` in [-1, 1], any size."""
        last = F.adaptive_avg_pool2d(self.trunk(image)[-1], 4)
        return F.normalize(self.head(last.flatten(1)), dim=1)

    def save(self, path: str | Path) -> None:
        """Write weights (fp16) and configuration to one safetensors file."""
        config = {"widths": self.trunk.widths, "depths": self.trunk.depths}
        save_network(self, config | {"size": self.head.out_features}, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file that `save` wrote.

        Raises:
            MissingModelError: no such file.
            CheckpointError: the file does not hold this network.
        """
        return read_network(path, lambda config: cls(ConvTrunk.of(config), config["size"]))


ARCFACE_SIZE = 112
ARCFACE_CROP = (0.06, -0.06, 0.88)
"""Left, top and side, as shares of an EG3D crop, of the square that face recognition expects: it
brings EG3D's mean eyes (0.357, 0.350), (0.643, 0.350) and mouth (y 0.660) to the ArcFace template's
(0.342, 0.461), (0.657, 0.461) and 0.824 as well as a square can."""


class ExternalIdentityModel(IdentityModel):
    """A face-recognition network of the user's, `[N, 3, 112, 112]` in [-1, 1] -> `[N, D]`.

    Args:
        path: a TorchScript file (`.pt`, `.ts`, `.torchscript`: differentiable), or `.onnx`
            (through onnxruntime: for measuring only, no gradient).
        crop: left, top, side of the part of the aligned picture that the network sees.

    Raises:
        MissingModelError: no such file, or onnxruntime is not installed.
        CheckpointError: the file cannot be read.
        InvalidArgumentError: another kind of file.
    """

    def __init__(self, path: str | Path, crop: tuple[float, float, float] = ARCFACE_CROP) -> None:
        super().__init__()
        path = Path(path)
        self.name, self.crop = path.stem, crop
        self.differentiable = path.suffix != ".onnx"
        if not path.is_file():
            raise MissingModelError(
                f"the identity network {path} is missing; export yours there with torch.jit.save "
                "or torch.onnx.export, input [N, 3, 112, 112] in [-1, 1]"
            )
        if path.suffix == ".onnx":
            self._session = _onnx_session(path)
        elif path.suffix in (".pt", ".ts", ".torchscript"):
            self.network = _torchscript(path)
        else:
            raise InvalidArgumentError(
                "identity network", expected="a .pt, .ts, .torchscript or .onnx file", actual=path
            )

    def embed(self, image: Tensor) -> Tensor:
        """Return unit vectors `[N, D]` of aligned pictures `[N, 3, H, W]` in [-1, 1].

        Raises:
            InvalidArgumentError: wrong shape, or a gradient is asked of an ONNX network.
        """
        check_image(image)
        side = image.shape[-1]
        left, top, size = (round(part * side) for part in self.crop)
        margins = (-left, left + size - side, -top, top + size - side)
        face = F.interpolate(
            F.pad(image, margins, value=-1.0),
            (ARCFACE_SIZE, ARCFACE_SIZE),
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )
        if self.differentiable:
            return F.normalize(self.network(face), dim=1)
        if torch.is_grad_enabled() and image.requires_grad:
            raise InvalidArgumentError(
                "identity network",
                expected="differentiable where it is part of a loss",
                actual=f"{self.name}.onnx",
                remedy="export it as TorchScript",
            )
        name = self._session.get_inputs()[0].name
        values = self._session.run(None, {name: face.detach().cpu().float().numpy()})[0]
        return F.normalize(torch.from_numpy(values).to(image.device), dim=1)


def _onnx_session(path: Path):
    try:
        import onnxruntime  # pyright: ignore[reportMissingImports]  (an extra)
    except ImportError as error:
        raise MissingModelError(
            f"{path} needs onnxruntime; install it with `pip install itportrait[onnx]`"
        ) from error
    try:
        return onnxruntime.InferenceSession(str(path))
    except Exception as error:  # onnxruntime's own classes differ between versions
        raise CheckpointError(f"{path} is not a readable ONNX network: {error}") from error


def _torchscript(path: Path) -> nn.Module:
    try:
        network = torch.jit.load(str(path), map_location="cpu").eval()
    except RuntimeError as error:
        raise CheckpointError(f"{path} is not a readable TorchScript file: {error}") from error
    for parameter in network.parameters():  # script modules lack requires_grad_()
        parameter.requires_grad_(False)
    return network


def load_identity(path: str | Path) -> IdentityModel:
    """Load the embedded kind (`.safetensors`) or an external network, by the file's kind.

    Raises:
        MissingModelError, CheckpointError, InvalidArgumentError: see the two classes.
    """
    if Path(path).suffix == ".safetensors":
        return MiniIdentityModel.load(path)
    return ExternalIdentityModel(path)
