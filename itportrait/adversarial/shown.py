"""What a discriminator is shown: pictures with their raw versions and their cameras."""

from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.generator import Rendering
from itportrait.geometry.camera import check_camera
from itportrait.image import resize


@dataclass(frozen=True)
class Shown:
    """A batch of pictures.

    Args:
        image: `[N, 3, S, S]`, about [-1, 1].
        image_raw: `[N, 3, R, R]`: before super-resolution.
        cameras: `[N, 25]`.

    Raises:
        InvalidArgumentError: the three are not of one batch.
    """

    image: Tensor
    image_raw: Tensor
    cameras: Tensor

    def __post_init__(self) -> None:
        check_camera(self.cameras)
        for name, pictures in (("image", self.image), ("image_raw", self.image_raw)):
            if pictures.ndim != 4 or pictures.shape[:2] != (len(self.cameras), 3):
                raise InvalidArgumentError(
                    name,
                    expected=f"[{len(self.cameras)}, 3, H, W], one for each camera",
                    actual=list(pictures.shape),
                )

    @classmethod
    def rendered(cls, rendering: Rendering, cameras: Tensor) -> Self:
        """Return what a generator has rendered, with gradients.

        Args:
            rendering: with a final image.
            cameras: `[N, 25]` that it was rendered from.
        """
        return cls(rendering.final_image, rendering.image_raw, cameras)

    @classmethod
    def real(cls, image: Tensor, cameras: Tensor, *, side: int, raw_side: int) -> Self:
        """Return real pictures, which have no raw version: they are shrunk to its size.

        Args:
            image: `[N, 3, H, W]` in [-1, 1], any size.
            cameras: `[N, 25]`, known or estimated.
            side: of the generator's images.
            raw_side: of the generator's raw images.
        """
        image = resize(image, side)
        return cls(image, resize(image, raw_side), cameras)

    def detach(self) -> Self:
        """Return the same pictures without what they were computed from."""
        return replace(self, image=self.image.detach(), image_raw=self.image_raw.detach())

    def requires_grad(self) -> Self:
        """Return the same pictures as the start of a computation, for gradients with respect to
        them."""
        return replace(
            self,
            image=self.image.detach().requires_grad_(True),
            image_raw=self.image_raw.detach().requires_grad_(True),
        )
