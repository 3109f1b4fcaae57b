"""The astronaut's photo, nine more that a camera might have taken, and where her face lies."""

import io

import numpy as np
from PIL import Image, ImageFilter, ImageOps
from skimage import data

POINTS = np.array([(204.0, 100.6), (247.2, 103.6), (225.1, 129.3), (201.2, 139.1), (244.9, 142.1)])
"""`[5, 2]` eyes, nose tip and mouth corners, in pixels of the photo, as MTCNN finds them."""
SIZE = 512
_TURN_DEG = 12.0


def _jpeg(photo):
    file = io.BytesIO()
    photo.save(file, "jpeg", quality=25)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")


def _noisy(photo):
    pixels = np.asarray(photo)
    noise = np.random.default_rng(0).normal(0, 14, pixels.shape)
    return Image.fromarray((pixels + noise).round().clip(0, 255).astype(np.uint8))


def _small(photo):
    third = photo.resize((photo.width // 3, photo.height // 3), Image.Resampling.BOX)
    return third.resize(photo.size, Image.Resampling.BILINEAR)


VARIANTS = {
    "photo": lambda photo: photo,
    "blurred": lambda photo: photo.filter(ImageFilter.GaussianBlur(photo.width / 256)),
    "jpeg": _jpeg,
    "noisy": _noisy,
    "small": _small,
    "dark": lambda photo: photo.point(lambda value: value // 2),
    "pale": lambda photo: photo.point(lambda value: 96 + value * 5 // 8),
    "gray": lambda photo: photo.convert("L").convert("RGB"),
    "mirrored": ImageOps.mirror,
    "turned": lambda photo: photo.rotate(_TURN_DEG, Image.Resampling.BILINEAR),
}
"""What a camera or a file format may do to a photo in RGB, by name."""


def photos():
    """Return pictures of the astronaut, `[512, 512, 3]` uint8, and their points, by name."""
    photo = Image.fromarray(data.astronaut())
    return {name: (np.asarray(change(photo)), _points(name)) for name, change in VARIANTS.items()}


def _points(name):
    if name == "mirrored":
        return np.stack([SIZE - 1 - POINTS[:, 0], POINTS[:, 1]], axis=1)[[1, 0, 2, 4, 3]]
    if name == "turned":
        turn, middle = np.deg2rad(_TURN_DEG), (SIZE - 1) / 2
        matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        return (POINTS - middle) @ matrix.T + middle
    return POINTS


def shares(points):
    """Return points in pixels of the photo as shares of its sides from the top left edge."""
    return (points + 0.5) / SIZE
