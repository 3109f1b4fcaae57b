"""What a set of pictures is to a method: random batches that depend on the step alone."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Generator, Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.image import resize, to_tensor, to_uint8
from itportrait.learning.seeds import step_rng

T = TypeVar("T")

SAMPLE = 8
"""Number of pictures of a set that its styles are scored against."""


@dataclass(frozen=True)
class PictureBatch:
    """Some pictures of a set.

    Args:
        images: `[N, 3, S, S]` in [-1, 1], on the CPU.
        record_ids: of each picture.
        cameras: `[N, 25]` that the align stage has given them, or None where it has seen none.
    """

    images: Tensor
    record_ids: tuple[str, ...]
    cameras: Tensor | None = None


@dataclass(frozen=True)
class Picture:
    """A picture of a set.

    Args:
        record_id: its own.
        pixels: uint8 `[S, S, 3]`.
        camera: `[25]` of the align stage, or None.
    """

    record_id: str
    pixels: np.ndarray
    camera: np.ndarray | None = None


class PictureSet(ABC):
    """A set of aligned pictures.

    Args:
        size: side in pixels to which pictures are brought.
    """

    count: int
    """Number of pictures that can be drawn."""
    left_out: Mapping[str, int]
    """Number of rows that have no such picture, by their status."""
    without_camera: int
    """Number of pictures that bring no camera of the align stage."""
    digest: str
    """Digest of the set's content, part of the fingerprint of domains that it guides."""

    def __init__(self, size: int) -> None:
        self.size = size

    def batch(self, step: int, count: int, *, seed: int, rank: int = 0) -> PictureBatch:
        """Return the pictures of a step: they depend on the arguments alone, not on former steps.

        Args:
            step: number of the step, from 0.
            count: number of pictures; where the set has fewer, some come more than once.
            seed: of the domain.
            rank: number of the worker, so that each draws its own.
        """
        found = self._draw(step, count, seed, rank)
        images = to_tensor(np.stack([picture.pixels for picture in found]))
        cameras = [picture.camera for picture in found if picture.camera is not None]
        whole = torch.as_tensor(np.stack(cameras)) if len(cameras) == len(found) else None
        return PictureBatch(images, tuple(picture.record_id for picture in found), whole)

    def sample(self, count: int = SAMPLE) -> list[np.ndarray]:
        """Return up to so many pictures, always the same, uint8 `[S, S, 3]` each."""
        return [picture.pixels for picture in self._draw(0, min(count, self.count), 0, 0)]

    def summary(self) -> dict[str, Any]:
        """Return JSON data about the set that is kept with the styles that it guided."""
        return {"count": self.count, "left_out": dict(self.left_out), "digest": self.digest}

    @abstractmethod
    def _draw(self, step: int, count: int, seed: int, rank: int) -> list[Picture]:
        """Return the pictures of a step."""


def pictures_rng(seed: int, rank: int, step: int) -> Generator:
    """Return the generator that chooses the pictures of a step."""
    return step_rng(seed, rank, step, "pictures")


def choose(items: Sequence[T], count: int, rng: Generator) -> list[T]:
    """Return random items, each at most once more often than any other.

    Raises:
        InvalidArgumentError: there are none to choose from.
    """
    if not items:
        raise InvalidArgumentError("items", expected="at least one", actual="none")
    order: list[int] = []
    while len(order) < count:
        order += torch.randperm(len(items), generator=rng).tolist()
    return [items[place] for place in order[:count]]


def brought_to(pixels: np.ndarray, size: int) -> np.ndarray:
    """Return uint8 `[H, W, 3]` as `[size, size, 3]`."""
    if pixels.shape[:2] == (size, size):
        return pixels
    return to_uint8(resize(to_tensor(pixels)[None], size))[0]
