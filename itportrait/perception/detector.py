"""Find faces and their five points with MTCNN, the detector that EG3D's preprocessing uses."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import nms, roi_align

from itportrait.errors import InvalidArgumentError
from itportrait.perception.mtcnn import (
    OutputNet,
    ProposalNet,
    RefineNet,
    load_published,
    read_joblib_arrays,
    weights_folder,
)

WINDOW = 12
"""Side of P-Net's window, in pixels."""
STRIDE = 2
PYRAMID_FACTOR = 0.709
"""Ratio of a level's side to the one before, about 1/sqrt(2): every level halves the area."""
SECOND_LOOK_FACTOR = 0.84
SECOND_LOOK_FRACTION = 0.75


@dataclass(frozen=True)
class Face:
    """One face of a photo, in its pixels: x right, y down, pixel centers at whole numbers."""

    box: np.ndarray
    """`[4]` x0, y0, x1, y1."""
    confidence: float
    landmarks: np.ndarray
    """`[5, 2]`: eyes at image-left and -right, nose tip, mouth corners at image-left and -right."""

    @property
    def size(self) -> float:
        """Width plus height of the box, in pixels; by default only the largest face of a photo is
        kept."""
        return float(self.box[2] - self.box[0] + self.box[3] - self.box[1])


class FaceDetector(nn.Module):
    """MTCNN with its published weights.

    Args:
        min_face_fraction: smallest face sought, of the photo's short side.
        min_face_px: smallest face sought, pixels, whatever the fraction says.
        thresholds: of P-, R- and O-Net's face probability.
        max_short_side: larger photos are shrunk to this short side before detection: the networks
            see 12 to 48 pixels of a face, so nothing is lost, and a 5,000-pixel photo takes no
            longer than a small one.
        sure: where no face reaches this confidence, the photo is searched a second time, from
            smaller faces on and with a pyramid twice as dense. Of twelve jittered copies of a face
            with its eyes covered, one look finds 1 and the second 11; it adds nothing to pictures
            of a cat, a cup, and an upside-down face. 0 turns it off.

    Raises:
        MissingModelError: the `mtcnn` distribution, which ships the weights, is not installed.
        InvalidArgumentError: an argument is outside its range.

    Source: Zhang et al. 2016 (thresholds 0.6, 0.7, 0.7; suppression at 0.5 within a level, 0.7
    over levels and after R-Net, 0.7 of the smaller box after O-Net). Deviations: crops are
    averaged over their area by `roi_align`, all of a photo in one call; outside the photo is the
    networks' zero, mid-gray; the second look.
    """

    def __init__(
        self,
        min_face_fraction: float = 0.08,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7),
        *,
        min_face_px: int = 20,
        max_short_side: int = 1024,
        sure: float = 0.9,
    ) -> None:
        super().__init__()
        if not 0 < min_face_fraction <= 1:
            raise InvalidArgumentError(
                "min_face_fraction", expected="in (0, 1]", actual=min_face_fraction
            )
        if len(thresholds) != 3 or not all(0 <= t < 1 for t in thresholds):
            raise InvalidArgumentError(
                "thresholds", expected="three values in [0, 1)", actual=thresholds
            )
        if min_face_px < WINDOW:
            raise InvalidArgumentError(
                "min_face_px", expected=f"at least P-Net's window, {WINDOW}", actual=min_face_px
            )
        self.min_face_fraction, self.min_face_px = min_face_fraction, min_face_px
        self.thresholds, self.max_short_side, self.sure = thresholds, max_short_side, sure
        folder = weights_folder()
        self.proposal, self.refine, self.output = ProposalNet(), RefineNet(), OutputNet()
        for name, net in ("pnet", self.proposal), ("rnet", self.refine), ("onet", self.output):
            load_published(net, read_joblib_arrays(folder / f"{name}.lz4"), f"{name}.lz4")
        self.eval().requires_grad_(False)

    @torch.inference_mode()
    def detect(self, pixels: np.ndarray) -> list[Face]:
        """Return the faces of a photo, the largest first.

        Args:
            pixels: `[H, W, 3]` uint8, RGB.

        Returns:
            Faces with confidence above the last threshold; empty when there is none.

        Raises:
            InvalidArgumentError: another dtype or shape.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise InvalidArgumentError(
                "pixels",
                expected="uint8 of shape [H, W, 3]",
                actual=f"{pixels.dtype} {list(pixels.shape)}",
            )
        height, width = pixels.shape[:2]
        small, scale = self._shrink(pixels)
        device = self.proposal.box.weight.device
        image = torch.from_numpy(np.array(small)).to(device)
        image = (image.permute(2, 0, 1)[None].float() - 127.5) / 128
        smallest = max(self.min_face_px, self.min_face_fraction * min(small.shape[:2]))
        boxes, scores, points = self._search(image, smallest, PYRAMID_FACTOR)
        if not (scores > self.sure).any():
            smallest = max(self.min_face_px, smallest * SECOND_LOOK_FRACTION)
            boxes, scores, points = self._search(image, smallest, SECOND_LOOK_FACTOR)
        # Centers of pixels: (x + 0.5) / small = (X + 0.5) / large.
        points = (points + 0.5) * scale - 0.5
        boxes = (boxes + 0.5) * scale.repeat(2) - 0.5
        limit = torch.tensor([width, height, width, height], device=device) - 1
        boxes = torch.minimum(boxes.clamp(min=0), limit)
        faces = [
            Face(box.double().numpy(), float(score), marks.double().numpy())
            for box, score, marks in zip(boxes.cpu(), scores.cpu(), points.cpu(), strict=True)
        ]
        return sorted(faces, key=lambda face: -face.size)

    def _shrink(self, pixels: np.ndarray) -> tuple[np.ndarray, Tensor]:
        """Return the picture that is searched, and `[2]` photo pixels per pixel of it."""
        height, width = pixels.shape[:2]
        ratio = self.max_short_side / min(height, width)
        scale = torch.ones(2)
        if ratio < 1:
            size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
            scale = torch.tensor([width / size[0], height / size[1]])
            pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
        device = self.proposal.box.weight.device
        return pixels, scale.to(device)

    def _search(self, image: Tensor, smallest: float, factor: float) -> tuple[Tensor, ...]:
        boxes = self._refine(image, self._propose(image, smallest, factor))
        return self._output(image, boxes)

    def _propose(self, image: Tensor, smallest: float, factor: float) -> Tensor:
        """P-Net over an image pyramid: `[K, 4]` corrected boxes."""
        height, width = image.shape[-2:]
        scale, found = WINDOW / smallest, []
        while min(height, width) * scale >= WINDOW:
            size = (int(np.ceil(height * scale)), int(np.ceil(width * scale)))
            level = F.interpolate(image, size, mode="area")
            found.append(self._propose_level(level, scale))
            scale *= factor
        if not found:
            return image.new_zeros(0, 4)
        boxes, scores, offsets = (torch.cat(parts) for parts in zip(*found, strict=True))
        keep = nms(boxes, scores, 0.7)
        boxes, offsets = boxes[keep], offsets[keep]
        sides = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
        return boxes + offsets * sides

    def _propose_level(self, level: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor]:
        face, offsets = self.proposal(level)
        rows, columns = torch.nonzero(face[0] > self.thresholds[0], as_tuple=True)
        scores, offsets = face[0, rows, columns], offsets[0, :, rows, columns].T
        corner = torch.stack([columns, rows], 1) * STRIDE
        # MATLAB's whole pixels, counted from 1: kept, because the offsets were trained on them.
        boxes = torch.cat([(corner + 1) / scale, (corner + WINDOW) / scale], 1).trunc()
        keep = nms(boxes, scores, 0.5)
        return boxes[keep], scores[keep], offsets[keep]

    def _refine(self, image: Tensor, boxes: Tensor) -> Tensor:
        if not len(boxes):
            return boxes
        boxes = _square(boxes)
        out = self.refine(_crops(image, boxes, self.refine.size))
        keep = out["face"] > self.thresholds[1]
        boxes, scores, offsets = boxes[keep], out["face"][keep], out["box"][keep]
        keep = nms(boxes, scores, 0.7)
        return _correct(boxes[keep], offsets[keep])

    def _output(self, image: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if not len(boxes):
            return boxes, boxes.new_zeros(0), boxes.new_zeros(0, 5, 2)
        boxes = _square(boxes)
        out = self.output(_crops(image, boxes, self.output.size))
        keep = out["face"] > self.thresholds[2]
        boxes, scores = boxes[keep], out["face"][keep]
        sides = boxes[:, 2:] - boxes[:, :2] + 1
        fractions = out["points"][keep].reshape(-1, 2, 5).transpose(1, 2)
        points = boxes[:, None, :2] + fractions * sides[:, None] - 1
        boxes = _correct(boxes, out["box"][keep])
        kept = _suppress_nested(boxes, scores, 0.7)
        return boxes[kept], scores[kept], points[kept]


def _correct(boxes: Tensor, offsets: Tensor) -> Tensor:
    sides = (boxes[:, 2:] - boxes[:, :2] + 1).repeat(1, 2)
    return boxes + offsets * sides


def _square(boxes: Tensor) -> Tensor:
    """Grow each box to a square about its center, on whole pixels."""
    center = (boxes[:, :2] + boxes[:, 2:]) / 2
    side = (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True)
    corner = center - side / 2
    return torch.cat([corner, corner + side], 1).trunc()


def _crops(image: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Cut `[K, 4]` boxes out of `[1, 3, H, W]`: `[K, 3, size, size]`, zero outside.

    Boxes count pixels from 1 and include their corners, as in MATLAB: x0 = x1 = 1 is pixel 0.
    """
    height, width = image.shape[-2:]
    beyond = max(-boxes[:, :2].min(), boxes[:, 2].max() - width, boxes[:, 3].max() - height)
    margin = max(0, int(beyond)) + 2
    level = F.pad(image, (margin,) * 4)
    boxes = boxes - boxes.new_tensor([1, 1, 0, 0]) + margin
    crops = image.new_empty(len(boxes), image.shape[1], size, size)
    # Large boxes are averaged from halved pictures, which costs a tenth of averaging them whole.
    halvings = (boxes[:, 2] - boxes[:, 0]).div(2 * size).clamp(min=1).log2().floor().int()
    for count in range(int(halvings.max()) + 1):
        level = F.avg_pool2d(level, 2, ceil_mode=True) if count else level
        rows = halvings == count
        if rows.any():
            scaled = [boxes[rows] / 2**count]
            crops[rows] = roi_align(level, scaled, (size, size), sampling_ratio=-1, aligned=True)
    return crops


def _suppress_nested(boxes: Tensor, scores: Tensor, limit: float) -> Tensor:
    """Suppress by intersection over the *smaller* box: a face inside a face is one face."""
    order = scores.argsort(descending=True).tolist()
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    kept: list[int] = []
    for index in order:
        low = torch.maximum(boxes[kept, :2], boxes[index, :2])
        high = torch.minimum(boxes[kept, 2:], boxes[index, 2:])
        shared = (high - low).clamp(min=0).prod(1)
        if not (shared / torch.minimum(area[kept], area[index]) > limit).any():
            kept.append(index)
    return torch.tensor(kept, dtype=torch.long, device=boxes.device)
