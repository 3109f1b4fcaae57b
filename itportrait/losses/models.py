"""Interfaces of the models that losses use; `itportrait.perception` implements them."""

from typing import Protocol

from torch import Tensor


class ImageText(Protocol):
    """A model with pictures and words in one space, as unit vectors."""

    name: str

    def encode_image(self, image: Tensor) -> Tensor:
        """Return unit `[N, D]` of `[N, 3, H, W]` in [-1, 1]; differentiable."""
        ...

    def encode_prompt(self, text: str) -> Tensor:
        """Return unit `[D]`, the mean over prompt templates."""
        ...


class Perceptual(Protocol):
    """A distance of pictures as people see it, by features of a network."""

    def features(self, image: Tensor) -> list[Tensor]:
        """Return maps `[N, C, h, w]` of `[N, 3, H, W]` in [-1, 1]; differentiable."""
        ...

    def compare(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """Return the distances `[N]` of two batches by their features; differentiable."""
        ...


class Layered(Protocol):
    """A network whose layers describe a picture: a perceptual one, or a discriminator."""

    def features(self, image: Tensor) -> list[Tensor]:
        """Return maps `[N, C, h, w]` of `[N, 3, H, W]` in [-1, 1]; differentiable."""
        ...


class Identity(Protocol):
    """A model that tells who is in a picture."""

    def embed(self, image: Tensor) -> Tensor:
        """Return unit `[N, D]` of `[N, 3, H, W]` in [-1, 1]; differentiable."""
        ...
