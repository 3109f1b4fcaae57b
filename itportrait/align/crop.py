"""The crop that EG3D's FFHQ checkpoints were trained on, and where it lies in the photo.

Convention: landmarks and `crop` are in pixels of the photo, x right, y down; "edge" coordinates
put pixel i between i and i + 1, so a landmark at pixel p lies at p + 0.5.

Source: EG3D's preprocessing (Chan et al., CVPR 2022), which takes the crop of Deep3DFaceRecon.
Kept oddities, pinned by tests: whole numbers are cut, not rounded, and a roll is not corrected;
a crop that differs from the training's by a pixel already costs inversion.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from itportrait.align.config import Reason
from itportrait.errors import RecordRejectedError

FACE_POINTS = np.array(
    [
        (-0.31148657, 0.29036078, 0.13377953),
        (0.30979887, 0.28972036, 0.13179526),
        (0.0032535, -0.04617932, 0.55244243),
        (-0.25216928, -0.38133916, 0.22405732),
        (0.2484662, -0.38128236, 0.22235769),
    ]
)
"""`[5, 3]` mean positions of the landmarks in decimeters: x to image-right, y up, z to the
camera."""

FRAME = 1024
"""Side of the intermediate crop, in resized pixels."""
CENTER = 700
"""Side of the crop that is kept, in resized pixels: 162 to 862 of the frame."""
PIXELS_PER_DM = 300
MARGIN = int(FRAME / 2 - CENTER / 2)
TRAINED = 512
_CONDITION_LIMIT = 1e-6


@dataclass(frozen=True)
class CropPlan:
    """Where a crop lies: a resize of the whole photo and a square in it."""

    photo_size: tuple[int, int]
    """Width and height of the photo, in pixels."""
    resized: tuple[int, int]
    """Width and height of the photo after the resize, in pixels."""
    corner: tuple[int, int]
    """Left and top of the kept square, in resized pixels."""
    side: int = CENTER
    """Side of the kept square, in resized pixels."""

    @property
    def scale(self) -> np.ndarray:
        """`[2]` resized pixels per photo pixel in x and y, which differ because sizes are cut to
        whole numbers."""
        return np.array(self.resized) / np.array(self.photo_size)

    @property
    def left_top_side(self) -> np.ndarray:
        """`[3]` left, top and side of the crop, in edge coordinates of the photo."""
        left, top = np.array(self.corner) / self.scale
        return np.array([left, top, self.side / self.scale.mean()])

    @property
    def visible(self) -> float:
        """Fraction of the crop's area that lies inside the photo."""
        x0, y0, x1, y1 = self.inside
        return (x1 - x0) * (y1 - y0) / self.side**2

    @property
    def inside(self) -> tuple[int, int, int, int]:
        """Part of the kept square that lies in the photo: x0, y0, x1, y1 within the square."""
        low = np.clip(-np.array(self.corner), 0, self.side)
        high = np.clip(np.array(self.resized) - np.array(self.corner), low, self.side)
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])

    def of_size(self, width: int, height: int) -> "CropPlan":
        """Return the plan of the same crop for the photo in another size."""
        return CropPlan((width, height), self.resized, self.corner, self.side)

    def adjusted(self, scale: float, shift: tuple[float, float]) -> "CropPlan":
        """Return a plan `scale` times as wide, moved by `shift` (x right, y down) of the side."""
        side = round(self.side * scale)
        middle = np.array(self.corner) + self.side * (0.5 + np.array(shift))
        left, top = (round(float(edge)) for edge in middle - side / 2)
        return CropPlan(self.photo_size, self.resized, (left, top), side)

    def to_crop(self, points: np.ndarray) -> np.ndarray:
        """Map photo pixels `[..., 2]` to fractions of the crop, 0 to 1 from its top left edge."""
        return ((points + 0.5) * self.scale - np.array(self.corner)) / self.side


def plan_crop(landmarks: np.ndarray, width: int, height: int) -> CropPlan:
    """Place the crop of a face.

    Args:
        landmarks: `[5, 2]` pixels of the photo: eyes at image-left and -right, nose tip, mouth
            corners at image-left and -right.
        width: of the photo, pixels.
        height: of the photo, pixels.

    Raises:
        RecordRejectedError: `bad_landmarks`: not finite, all equal, or on a line.
    """
    points = np.asarray(landmarks, dtype=np.float64).reshape(5, 2).copy()
    spread = np.linalg.svd(points - points.mean(0), compute_uv=False) if _finite(points) else [0]
    if spread[-1] <= _CONDITION_LIMIT * max(width, height):
        raise RecordRejectedError(
            Reason.BAD_LANDMARKS, f"the five points {points.round(1).tolist()} span no plane"
        )
    points[:, 1] = height - 1 - points[:, 1]
    system = np.concatenate([FACE_POINTS, np.ones((5, 1))], axis=1)
    rows = np.linalg.lstsq(system, points, rcond=None)[0].T
    scale = PIXELS_PER_DM / np.linalg.norm(rows[:, :3], axis=1).mean()
    center_x, center_y = rows[:, 3]
    resized_w, resized_h = max(1, int(width * scale)), max(1, int(height * scale))
    left = int(resized_w / 2 - FRAME / 2 + (center_x - width / 2) * scale)
    top = int(resized_h / 2 - FRAME / 2 + (height / 2 - center_y) * scale)
    return CropPlan((width, height), (resized_w, resized_h), (left + MARGIN, top + MARGIN))


def plan_given(crop: np.ndarray, width: int, height: int) -> CropPlan:
    """Turn a crop that the input brought along (`[3]` left, top, side) into a plan."""
    left, top, side = (float(value) for value in crop)
    scale = CENTER / side
    resized = max(1, round(width * scale)), max(1, round(height * scale))
    return CropPlan((width, height), resized, (round(left * scale), round(top * scale)))


def cut(pixels: np.ndarray, plan: CropPlan, size: int = TRAINED) -> np.ndarray:
    """Make the crop of a photo.

    Args:
        pixels: `[H, W, 3]` uint8, or `[H, W]`.
        plan: where it lies; black outside the photo.
        size: side of the result; the crop is made at 512 (Lanczos), then resized if it differs.

    Returns:
        `[size, size, 3]` uint8, or `[size, size]`.
    """
    canvas = Image.new("RGB" if pixels.ndim == 3 else "L", (plan.side, plan.side))
    x0, y0, x1, y1 = plan.inside
    if x1 > x0 and y1 > y0:
        # Only this part of the resized photo is computed; Pillow's filter reads past the box, so
        # that every pixel is the one of the full resize, which may take gigabytes for a small face.
        corner = np.array(plan.corner)
        edges = corner + np.array([(x0, y0), (x1, y1)])
        box = (edges / plan.scale).reshape(4)
        box = np.clip(box, 0, [*plan.photo_size, *plan.photo_size])
        part = Image.fromarray(pixels).resize(
            (x1 - x0, y1 - y0), Image.Resampling.BICUBIC, box=tuple(box.tolist())
        )
        canvas.paste(part, (x0, y0))
    image = canvas.resize((TRAINED, TRAINED), Image.Resampling.LANCZOS)
    if size != TRAINED:
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    return np.array(image)


def _finite(points: np.ndarray) -> bool:
    return bool(np.isfinite(points).all())
