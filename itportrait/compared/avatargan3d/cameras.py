"""The cameras of pictures that come without: aligned with those of the generator by statistics.

Intrinsics are the family's. The distance of the cameras is the one from which renders show faces as
large as the pictures do, by the mean spread of five landmarks. Yaw and pitch of a picture are those
that the bundle's encoder reads; the pitches are shifted so that their mean is the family's, which
is level, since drawn features make the encoder see from above or below. Where the settings ask for
it, both angles are also corrected by what the encoder reads wrong in renders of known cameras, of
the generator as it learns. On drawn people that makes the estimates worse.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from itportrait.adapt.sampling import random_codes
from itportrait.bundle import Bundle
from itportrait.compared.avatargan3d.config import CamerasConfig
from itportrait.errors import MissingModelError
from itportrait.generator import Generator
from itportrait.geometry.camera import camera_angles, look_at_camera
from itportrait.image import to_uint8
from itportrait.learning.seeds import step_rng
from itportrait.picture_sets import PictureBatch, PictureSet

_AT_ONCE = 16
_LEVELED = 256
"""Largest number of pictures whose mean pitch is taken."""
_STREAM = "avatar-cameras"


class CameraAlignment:
    """Cameras for pictures of a set.

    Args:
        bundle: its encoder reads angles; its detector finds landmarks.
        pictures: the set.
        config: of the alignment.
        seed: of the domain. All workers align alike, whatever their number.
    """

    def __init__(
        self, bundle: Bundle, pictures: PictureSet, config: CamerasConfig, seed: int
    ) -> None:
        self.bundle, self.pictures, self.config, self.seed = bundle, pictures, config, seed
        self.orbit = bundle.orbit
        self.correction: Tensor | None = None
        """`[w_dim + 3, 2]` from what the encoder reads to what it reads wrong."""
        self.pitch = 0.0
        """Mean pitch that the encoder reads in the pictures, in radians; it is taken off."""
        self.report: dict[str, Any] = {"radius": self.orbit.radius}

    @torch.no_grad()
    def begin(self) -> None:
        """Level the pitches, find the distance, and correct the estimates on the base generator."""
        self._level()
        self._find_distance()
        self.correct(self.bundle.generator, 0)

    @torch.no_grad()
    def angles(self, batch: PictureBatch) -> Tensor:
        """Return yaw and pitch `[N, 2]` of pictures, in radians.

        Raises:
            MissingModelError: neither an encoder reads them, nor has the align stage.
        """
        encoder = self.bundle.encoder
        if encoder is None:
            if batch.cameras is None:
                raise MissingModelError(
                    f"method 'avatargan3d' needs cameras of pictures; {self.bundle.name} has no "
                    "encoder to read them with, and the set brings none: give `pictures` as the "
                    "table of the align stage, or train an encoder for the bundle"
                )
            angles = torch.stack(camera_angles(batch.cameras), 1)
            return angles.to(self.bundle.generator.device)
        read, angles = self._read(batch.images.to(self.bundle.generator.device))
        if self.correction is not None:
            angles = angles + read @ self.correction
        return angles - angles.new_tensor([0.0, self.pitch])

    def propose(self, batch: PictureBatch) -> Tensor:
        """Return cameras `[N, 25]` of pictures."""
        yaw, pitch = self.angles(batch).unbind(1)
        return look_at_camera(yaw, pitch, self.orbit)

    @torch.no_grad()
    def correct(self, generator: Generator, step: int) -> None:
        """Learn what the encoder reads wrong in renders of a generator, whose cameras are known.

        Args:
            generator: that draws as the pictures are drawn, more or less.
            step: number of the step, for codes and cameras.
        """
        config, encoder = self.config, self.bundle.encoder
        if encoder is None or not config.renders:
            return
        rng = step_rng(self.seed, 0, step, _STREAM)
        ws = random_codes(self.bundle, config.renders, rng)
        known = self.bundle.camera_prior.sample(config.renders, rng).to(ws.device)
        yaw, pitch = camera_angles(known)
        image = self._render(generator, ws, look_at_camera(yaw, pitch, self.orbit))
        read, angles = self._read(image)
        wrong = torch.stack([yaw, pitch], 1) - angles
        weights = config.ridge * config.renders * torch.eye(read.shape[1], device=read.device)
        weights[-1, -1] = 0  # a shift of all estimates is no sign of chance
        self.correction = (read.T @ read + weights).inverse() @ (read.T @ wrong)
        left = wrong - read @ self.correction
        self.report |= {
            "renders_wrong_deg": _degrees(wrong),
            "renders_corrected_deg": _degrees(left),
        }

    def _read(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return all that the encoder reads `[N, w_dim + 3]` as regressors, and its angles."""
        encoder = self.bundle.encoder
        assert encoder is not None  # asked by the callers
        w_plus, angles = encoder(image)
        code = (w_plus.mean(1) - encoder.w_avg) / encoder.w_std
        return torch.cat([code, angles, torch.ones_like(angles[:, :1])], 1), angles

    def _render(self, generator: Generator, ws: Tensor, cameras: Tensor) -> Tensor:
        parts = [slice(start, start + _AT_ONCE) for start in range(0, len(ws), _AT_ONCE)]
        images = [generator.synthesize(ws[part], cameras[part]).final_image for part in parts]
        return torch.cat(images)

    def _level(self) -> None:
        if self.bundle.encoder is None or not self.config.level:
            return
        count = min(self.pictures.count, _LEVELED)
        parts = range(-(-count // _AT_ONCE))
        batches = [self.pictures.batch(i, _AT_ONCE, seed=self.seed) for i in parts]
        self.pitch = float(torch.cat([self.angles(batch)[:, 1] for batch in batches]).mean())
        self.report["leveled_deg"] = math.degrees(self.pitch)

    def _find_distance(self) -> None:
        config, base = self.config, self.bundle.generator
        if not config.faces:
            return
        batch = self.pictures.batch(0, min(config.faces, self.pictures.count), seed=self.seed)
        wanted = self._spread(batch.images)
        ws = random_codes(self.bundle, len(batch.images), step_rng(self.seed, 0, 0, _STREAM))
        for _ in range(config.rounds):
            shown = self._spread(self._render(base, ws, self.propose(batch)))
            if wanted is None or shown is None:
                self.report["distance"] = "too few landmarks were found; the family's is kept"
                return
            usual = self.bundle.orbit.radius
            low, high = usual * (1 - config.reach), usual * (1 + config.reach)
            radius = min(max(self.orbit.radius * shown / wanted, low), high)
            self.orbit = replace(self.orbit, radius=radius)
        left = self._spread(self._render(base, ws, self.propose(batch)))
        self.report |= {"radius": self.orbit.radius, "spread_of_pictures": wanted}
        if left is not None and wanted is not None:
            self.report["spread_left"] = left - wanted

    def _spread(self, images: Tensor) -> float | None:
        """Return the mean distance of landmarks from their middle, as a share of the side.

        None where too few faces are found.
        """
        found: list[float] = []
        for pixels in to_uint8(images):
            faces = self.bundle.detector.detect(pixels)
            if faces:
                points = max(faces, key=lambda face: face.size).landmarks / pixels.shape[0]
                found.append(float(((points - points.mean(0)) ** 2).sum(1).mean() ** 0.5))
        return sum(found) / len(found) if len(found) >= self.config.fewest else None

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs, as copies."""
        correction = self.correction
        return {
            "radius": self.orbit.radius,
            "pitch": self.pitch,
            "correction": None if correction is None else correction.cpu().clone(),
            "report": dict(self.report),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.orbit = replace(self.orbit, radius=state["radius"])
        self.pitch, correction = state["pitch"], state["correction"]
        if correction is not None:
            self.correction = correction.to(self.bundle.generator.device)
        self.report = dict(state["report"])


def _degrees(wrong: Tensor) -> float:
    """Return the mean angle of errors `[N, 2]`, in degrees."""
    return float(torch.rad2deg(wrong.square().sum(1).sqrt()).mean())
