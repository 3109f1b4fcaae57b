"""What the terms ask of a model; `itportrait.perception` has them, and tests have smaller ones."""

from typing import Protocol

from torch import Tensor


class ImageText(Protocol):
    """Pictures and words in one space, unit vectors out."""

    name: str

    def encode_image(self, image: Tensor) -> Tensor:
        """Return unit `[N, D]` of `[N, 3, H, W]` in [-1, 1]; differentiable."""
        ...

    def encode_prompt(self, text: str) -> Tensor:
        """Return unit `[D]`, the mean over prompt templates."""
        ...


class Perceptual(Protocol):
    """Distance as people see it."""

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Return `[N]` of two batches `[N, 3, H, W]` in [-1, 1]; differentiable."""
        ...


class Identity(Protocol):
    """Who is in a picture."""

    def embed(self, image: Tensor) -> Tensor:
        """Return unit `[N, D]` of `[N, 3, H, W]` in [-1, 1]; differentiable."""
        ...
