"""Identity networks: unit embeddings whose cosine says whether two pictures show one person."""

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.errors import InvalidArgumentError, MissingModelError
from itportrait.perception.files import kind_of
from itportrait.perception.onnx_graph import OnnxNetwork
from itportrait.perception.trunk import ConvTrunk, TrunkNetwork, check_image


class IdentityModel(nn.Module):
    """Base of identity models; they differ in `embed`."""

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


class MiniIdentityModel(TrunkNetwork, IdentityModel):
    """The embedded network, trained on drawn people in every view, light and domain."""

    name = "itportrait-mini-identity"

    def __init__(self, trunk: ConvTrunk, size: int = 64) -> None:
        super().__init__(trunk, size=size)
        self.head = nn.Linear(trunk.widths[-1] * 16, size)

    def embed(self, image: Tensor) -> Tensor:
        """Return unit vectors `[N, D]` of `[N, 3, H, W]` in [-1, 1], any size."""
        last = F.adaptive_avg_pool2d(self.trunk(image)[-1], 4)
        return F.normalize(self.head(last.flatten(1)), dim=1)


ARCFACE_SIZE = 112
ARCFACE_CROP = (0.06, -0.06, 0.88)
"""Left, top and side, as shares of an EG3D crop, of the square that face recognition expects: it
brings EG3D's mean eyes (0.357, 0.350), (0.643, 0.350) and mouth (y 0.660) to the ArcFace template's
(0.342, 0.461), (0.657, 0.461) and 0.824 as well as a square can."""


EXPORT_REMEDY = (
    "export the network once, where it was made, with torch.onnx.export(network, "
    "torch.zeros(1, 3, 112, 112), 'face.onnx', dynamo=False)"
)


class ExternalIdentityModel(IdentityModel):
    """A face-recognition network of the user's own, from `[N, 3, 112, 112]` in [-1, 1] to `[N,
    D]`.

    Args:
        path: an ONNX file with its data inside. It is computed by PyTorch, with gradients.
        crop: left, top, side of the part of the aligned picture that the network sees.

    Raises:
        MissingModelError: no such file, or the `onnx` package is not installed.
        CheckpointError: the file cannot be read or computed; says why.
        InvalidArgumentError: another kind of file, such as TorchScript, which would run its code.
    """

    def __init__(self, path: str | Path, crop: tuple[float, float, float] = ARCFACE_CROP) -> None:
        super().__init__()
        path = Path(path)
        self.name, self.crop = path.stem, crop
        if path.suffix != ".onnx":
            raise InvalidArgumentError(
                "identity network",
                expected="a .onnx file (or .safetensors of the embedded kind); TorchScript and "
                "pickles would run code of others",
                actual=path,
                remedy=EXPORT_REMEDY,
            )
        if not path.is_file():
            raise MissingModelError(f"the identity network {path} is missing; {EXPORT_REMEDY}")
        self.network: nn.Module = OnnxNetwork(path)

    def embed(self, image: Tensor) -> Tensor:
        """Return unit vectors `[N, D]` of aligned pictures `[N, 3, H, W]` in [-1, 1].

        Raises:
            InvalidArgumentError: wrong shape.
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
        return F.normalize(self.network(face), dim=1)


def load_identity(path: str | Path) -> IdentityModel:
    """Load the embedded kind or dlib's (`.safetensors`), or a network of the user's own (`.onnx`).

    Raises:
        MissingModelError, CheckpointError, InvalidArgumentError: see the classes.
    """
    from itportrait.perception.face_resnet import KIND, FaceResnetModel  # which derives from ours

    if Path(path).suffix == ".safetensors":
        if Path(path).is_file() and kind_of(path) == KIND:
            return FaceResnetModel.load(path)
        return MiniIdentityModel.load(path)
    return ExternalIdentityModel(path)
