"""What an inversion method gets and gives."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.styles import WeightDelta


@dataclass(frozen=True)
class Target:
    """One view of a batch of portraits that renders are compared with.

    The portrait itself is such a view; so is its mirror image, or a view that was warped from it.

    Args:
        image: `[N, 3, S, S]` in [-1, 1], S the generator's image resolution.
        camera: `[N, 25]` that the view is rendered from.
        mask: `[N, 1, S, S]` in [0, 1]: 0 where the view is not to be compared. None compares all.
        weight: `[N]` factor on the view's loss. None is 1.
        light_cells: given for the portraits' mirror images, and None for other views: number of
            cells along each side in which the view takes the render's mean color, since light is
            not mirrored. The camera of such a view is the mirrored one of the first target, and
            what lies behind the head is not compared.
        camera_std: `[N, 2]` standard deviations of the camera's yaw and pitch, in radians; None
            where the aligner does not know them: then `EXPECTED_ERROR`.
    """

    image: Tensor
    camera: Tensor
    mask: Tensor | None = None
    weight: Tensor | None = None
    light_cells: int | None = None
    camera_std: Tensor | None = None

    @property
    def shown(self) -> Tensor:
        """The mask `[N, 1, S, S]`: of ones where none is given."""
        return torch.ones_like(self.image[:, :1]) if self.mask is None else self.mask

    def keep(self, rows: Tensor) -> Self:
        """Return the view of the portraits of index tensor `rows`."""
        return type(self)(
            image=self.image[rows],
            camera=self.camera[rows],
            mask=None if self.mask is None else self.mask[rows],
            weight=None if self.weight is None else self.weight[rows],
            light_cells=self.light_cells,
            camera_std=None if self.camera_std is None else self.camera_std[rows],
        )


@dataclass(frozen=True)
class Problem:
    """A batch of portraits to invert.

    Args:
        targets: views of the batch. The first is the portraits themselves, with the cameras that
            the aligner gave them; only its camera is ever refined, and with it those of mirror
            images.
        keys: N record ids: they seed what is random, so that a portrait's result does not depend
            on the batch it comes in.

    Raises:
        InvalidArgumentError: there is no target, or one whose parts are not N each.
    """

    targets: tuple[Target, ...]
    keys: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.targets:
            raise InvalidArgumentError("targets", expected="the portrait's view", actual="none")
        for number, target in enumerate(self.targets):
            parts = (target.image, target.camera, target.mask, target.weight, target.camera_std)
            counts = [len(part) for part in parts if part is not None]
            if any(count != len(self.keys) for count in counts):
                raise InvalidArgumentError(
                    f"targets[{number}]",
                    expected=f"an image, a camera, a mask and a weight for {len(self.keys)} keys",
                    actual=f"{', '.join(map(str, counts))} of them",
                )

    @classmethod
    def of(cls, images: Tensor, cameras: Tensor, keys: tuple[str, ...]) -> Self:
        """Return the problem whose only target is the portraits themselves.

        Args:
            images: `[N, 3, S, S]` in [-1, 1], S the generator's image resolution.
            cameras: `[N, 25]` as the aligner gave them.
            keys: N record ids.
        """
        return cls((Target(images, cameras),), keys)

    @property
    def images(self) -> Tensor:
        """The portraits, `[N, 3, S, S]`."""
        return self.targets[0].image

    @property
    def cameras(self) -> Tensor:
        """The portraits' cameras as the aligner gave them, `[N, 25]`."""
        return self.targets[0].camera


@dataclass(frozen=True)
class Solution:
    """The code found for one portrait, or why there is none.

    Args:
        w_plus: `[num_ws, w_dim]`.
        camera: `[25]`, refined where asked.
        steps: optimization steps taken.
        seconds: this portrait's share of the time (a step's time is shared by the rows in it).
        failure: empty, or what went wrong.
        delta: what the method changes in the generator's weights for this portrait; None leaves
            the generator as it is.
        tuning: what became of tuning, as `InvertedRecord.tuning` tells it.
    """

    w_plus: Tensor
    camera: Tensor
    steps: int
    seconds: float
    failure: str = ""
    delta: WeightDelta | None = None
    tuning: str | None = None
