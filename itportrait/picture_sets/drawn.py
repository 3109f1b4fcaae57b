"""Sets of drawn pictures of a procedural domain, and the cameras that they were drawn from."""

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from itportrait.config import fingerprint
from itportrait.geometry.camera import look_at_camera
from itportrait.picture_sets.base import Picture, PictureSet, choose, pictures_rng
from itportrait.portraits import ORBIT, render_portrait, sample_people

SEED = 41_009
"""Seed of the people and cameras; training data, held-out people and truth have other seeds."""
YAW_SPREAD_RAD, PITCH_SPREAD_RAD, YAW_MAX_RAD, PITCH_MAX_RAD = 0.22, 0.10, 0.5, 0.25
"""Standard deviations and bounds of the cameras' angles, as in sample portraits."""


class DrawnSet(PictureSet):
    """Pictures of other people in a procedural domain; they are drawn when they are first asked
    for.

    Args:
        domain: name of the procedural domain.
        count: number of pictures.
        size: side in pixels.
    """

    def __init__(self, domain: str, count: int, size: int) -> None:
        super().__init__(size)
        self.domain, self.count, self.left_out = domain, count, {}
        self.without_camera = count
        self.digest = fingerprint("drawn", domain, count)

    @cached_property
    def cameras(self) -> Tensor:
        """Return the true cameras `[count, 25]`. They are for judging: no method may read them."""
        rng = np.random.default_rng((SEED, self.count))
        yaw = rng.normal(0, YAW_SPREAD_RAD, self.count).clip(-YAW_MAX_RAD, YAW_MAX_RAD)
        pitch = rng.normal(0, PITCH_SPREAD_RAD, self.count).clip(-PITCH_MAX_RAD, PITCH_MAX_RAD)
        angles = torch.as_tensor(np.stack([yaw, pitch]), dtype=torch.float32)
        return look_at_camera(angles[0], angles[1], ORBIT)

    @cached_property
    def _pixels(self) -> list[np.ndarray]:
        people = zip(sample_people(self.count, SEED), self.cameras, strict=True)
        return [render_portrait(p, c, self.size, domain=self.domain).image for p, c in people]

    def _draw(self, step: int, count: int, seed: int, rank: int) -> list[Picture]:
        rows = choose(range(self.count), count, pictures_rng(seed, rank, step))
        return [Picture(f"{self.domain}-{row:05d}", self._pixels[row]) for row in rows]
