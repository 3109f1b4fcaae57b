"""dlib's face recognition network in torch: 29 convolutions from an upright face to 128 numbers.

The architecture is that of `dlib_face_recognition_resnet_model_v1` (Davis King, public domain),
after He et al., "Deep residual learning for image recognition", CVPR 2016, with half its filters.
Differences: factors and addends of each channel, which took the place of batch norms, are part of
the convolutions here. Kept oddities: strided convolutions have no padding, so that a branch may end
up a pixel smaller than the other; the smaller one is filled up with zeros, as is one of fewer
channels.
"""

from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.errors import InvalidArgumentError
from itportrait.perception.files import read_network
from itportrait.perception.identity import IdentityModel
from itportrait.perception.trunk import check_image

KIND = "face-resnet"
"""What the file of such a network says of itself under `kind`."""
CHIP_SIZE = 150
"""Side of the upright faces that the network sees, in pixels."""
TEMPLATE = (
    (0.31699, 0.31066),
    (0.66984, 0.31066),
    (0.49342, 0.51042),
    (0.33610, 0.68682),
    (0.65074, 0.68682),
)
"""`[5, 2]` where eyes, nose tip and mouth corners lie in an upright face, as shares of its side:
the mean face that dlib's alignment uses, with a quarter of its side added around it."""
ALIGNED = (
    (0.3665, 0.3757),
    (0.6328, 0.3757),
    (0.5014, 0.5198),
    (0.3919, 0.6634),
    (0.6065, 0.6634),
)
"""`[5, 2]` where the same points lie in EG3D's crop of a frontal face, as shares of its side."""
WIDTHS, DEPTHS, NUMBERS = (32, 64, 128, 256, 256), (3, 4, 3, 3, 1), 128
_MOST_BLOCKS = 64
_DIVISOR = 256.0


class _Block(nn.Module):
    """Two convolutions beside their input; with `halved`, at half of its side.

    The input of a halved block is averaged over 2 x 2 pixels.
    """

    def __init__(self, inputs: int, outputs: int, *, halved: bool) -> None:
        super().__init__()
        stride, padding = (2, 0) if halved else (1, 1)
        self.halved = halved
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        change = self.second(F.relu(self.first(x)))
        kept = F.avg_pool2d(x, 2) if self.halved else x
        largest = [max(a, b) for a, b in zip(change.shape[1:], kept.shape[1:], strict=True)]
        return F.relu(_filled(change, largest) + _filled(kept, largest))


def _filled(x: Tensor, sizes: list[int]) -> Tensor:
    """Return `[N, C, H, W]` with zeros after its channels, rows and columns up to given sizes."""
    missing = [size - own for size, own in zip(sizes, x.shape[1:], strict=True)]
    return F.pad(x, (0, missing[2], 0, missing[1], 0, missing[0])) if any(missing) else x


class FaceResnet(nn.Module):
    """From upright faces `[N, 3, 150, 150]` in [-1, 1] to `[N, 128]`.

    Args:
        widths: channels of the stages; each but the first halves the side.
        depths: blocks of the stages.
        numbers: length of the result.
    """

    mean: Tensor

    def __init__(
        self,
        widths: tuple[int, ...] = WIDTHS,
        depths: tuple[int, ...] = DEPTHS,
        numbers: int = NUMBERS,
    ) -> None:
        super().__init__()
        if len(widths) != len(depths) or sum(depths) > _MOST_BLOCKS:
            raise ValueError(f"{len(widths)} widths and depths of {sum(depths)} blocks")
        self.register_buffer("mean", torch.zeros(3))
        self.stem = nn.Conv2d(3, widths[0], 7, 2)
        blocks, inputs = [], widths[0]
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for number in range(depth):
                blocks.append(_Block(inputs, width, halved=stage > 0 and number == 0))
                inputs = width
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(inputs, numbers, bias=False)

    def forward(self, face: Tensor) -> Tensor:
        """Return `[N, 128]`, of no particular length; dlib compares them by their distance."""
        x = (face * 127.5 + 127.5 - self.mean[:, None, None]) / _DIVISOR
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean((2, 3)))


class FaceResnetModel(IdentityModel):
    """An identity model on `FaceResnet`, with dlib's alignment of faces in front of it.

    Args:
        network: the network.
        name: of the model, for reports.
    """

    def __init__(self, network: FaceResnet, name: str = "dlib-face") -> None:
        super().__init__()
        self.network, self.name = network, name

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a converted file, such as `itportrait models get dlib-face` writes.

        Raises:
            MissingModelError: no such file.
            CheckpointError: the file does not hold this network.
        """

        def build(config: dict[str, Any]) -> FaceResnet:
            return FaceResnet(tuple(config["widths"]), tuple(config["depths"]), config["numbers"])

        return cls(read_network(path, build))

    def embed(self, image: Tensor, points: Tensor | None = None) -> Tensor:
        """Return unit vectors `[N, 128]` of `[N, 3, H, W]` in [-1, 1], any size; differentiable.

        Args:
            image: pictures with one face each, aligned as EG3D's are unless `points` are given.
            points: `[N, 5, 2]` eyes (left and right in the image), nose tip and mouth corners, as
                shares of width and height from the top left edge.

        Raises:
            InvalidArgumentError: wrong shapes.
        """
        return F.normalize(self.network(cut_face(image, points)), dim=1)


def cut_face(image: Tensor, points: Tensor | None = None) -> Tensor:
    """Return upright faces `[N, 3, 150, 150]` of `[N, 3, H, W]`; black outside of the pictures.

    Args:
        image: in [-1, 1].
        points: see `FaceResnetModel.embed`.

    Raises:
        InvalidArgumentError: wrong shapes.

    Convention: the five points are laid on `TEMPLATE` by the shift, turn and scale with the least
    squared error. Pictures are made smaller with averaging first, and then read bilinearly.
    """
    check_image(image)
    if points is not None and points.shape != (len(image), 5, 2):
        raise InvalidArgumentError(
            "points", expected=f"of shape [{len(image)}, 5, 2]", actual=list(points.shape)
        )
    if not len(image):
        return image.new_zeros(0, 3, CHIP_SIZE, CHIP_SIZE)
    size = image.new_tensor((image.shape[-1], image.shape[-2]))
    if points is None:
        matrix = similarity(image.new_tensor(ALIGNED) * size)
        return _read(image, matrix.expand(len(image), -1, -1))
    matrices = [similarity(five * size) for five in points.to(image)]
    faces = [_read(one[None], m[None]) for one, m in zip(image, matrices, strict=True)]
    return torch.cat(faces)


def similarity(points: Tensor) -> Tensor:
    """Return `[2, 3]`, from pixels of the upright face to pixels of the picture `points` is of.

    Source: as complex numbers, the least-squares solution of points = a * template + b.
    """
    template = points.new_tensor(TEMPLATE) * CHIP_SIZE
    origin, target = template.mean(0), points.mean(0)
    x, y = (template - origin).unbind(1)
    u, v = (points - target).unbind(1)
    length = (x * x + y * y).sum()
    scaled, turned = (x * u + y * v).sum() / length, (x * v - y * u).sum() / length
    turn = torch.stack([torch.stack([scaled, -turned]), torch.stack([turned, scaled])])
    return torch.cat([turn, (target - turn @ origin)[:, None]], dim=1)


def _read(image: Tensor, matrix: Tensor) -> Tensor:
    height, width = image.shape[-2:]
    scale = float(matrix[0, :, 0].norm())
    if scale > 1:
        smaller = [max(1, round(side / scale)) for side in (height, width)]
        image = F.interpolate(image, smaller, mode="bilinear", antialias=True)
    steps = torch.arange(CHIP_SIZE, device=image.device, dtype=image.dtype) + 0.5
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    places = torch.stack([x, y, torch.ones_like(x)], dim=-1) @ matrix.mT.unsqueeze(1)
    grid = places / image.new_tensor((width, height)) * 2 - 1
    read = F.grid_sample(image + 1, grid, mode="bilinear", align_corners=False)
    return read - 1
