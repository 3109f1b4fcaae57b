"""The cameras of pictures that come without: aligned with those of the generator by statistics.

Intrinsics are the family's. The distance of the cameras is the one from which renders show faces as
large as the pictures do, by the mean spread of five landmarks. Yaw and pitch of a picture are those
that the bundle's encoder reads; the pitches are shifted so that their mean is the family's, which
is level, since drawn features make the encoder see from above or below. Where the settings ask for
it, both angles are also corrected by what the encoder reads wrong in renders of known cameras, of
the generator as it learns. On drawn people that makes the estimates worse.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from itportrait.adapt.sampling import random_codes
from itportrait.adapt.workers import Workers
from itportrait.bundle import Bundle
from itportrait.compared.avatargan3d.config import CamerasConfig
from itportrait.compared.avatargan3d.distance import radius_bounds
from itportrait.errors import MissingModelError
from itportrait.generator import Generator
from itportrait.geometry.camera import camera_angles, look_at_camera
from itportrait.geometry.orbit import Orbit
from itportrait.image import to_uint8
from itportrait.learning.seeds import step_rng
from itportrait.picture_sets import PictureBatch, PictureSet

logger = logging.getLogger(__name__)

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
        seed: of the domain.
        workers: those that train the domain together; all align as the first does.
    """

    def __init__(
        self,
        bundle: Bundle,
        pictures: PictureSet,
        config: CamerasConfig,
        seed: int,
        workers: Workers | None = None,
    ) -> None:
        self.bundle, self.pictures, self.config, self.seed = bundle, pictures, config, seed
        self.workers = workers or Workers()
        self.orbit = bundle.orbit
        self.correction: Tensor | None = None
        """`[w_dim + 3, 2]` from what the encoder reads to what it reads wrong."""
        self.pitch = 0.0
        """Mean pitch of the pictures by the corrected estimates, in radians; it is taken off."""
        self.report: dict[str, Any] = {"radius": self.orbit.radius}

    @torch.no_grad()
    def begin(self) -> None:
        """Level the pitches, find the distance, and correct the estimates on the base generator.

        Raises:
            MissingModelError: neither an encoder reads the cameras of all pictures, nor has the
                align stage.
        """
        missing = self.pictures.without_camera
        if self.bundle.encoder is None and missing:
            raise self._without_encoder(f"{missing} of the set's {self.pictures.count} have none")
        self._level()
        self._find_distance()
        self.correct(self.bundle.generator, 0)

    @torch.no_grad()
    def angles(self, batch: PictureBatch) -> Tensor:
        """Return yaw and pitch `[N, 2]` of pictures, in radians.

        Raises:
            MissingModelError: neither an encoder reads them, nor has the align stage.
        """
        device = self.bundle.generator.device
        if self.bundle.encoder is None:
            if batch.cameras is None:
                raise self._without_encoder("some of a batch have none")
            return torch.stack(camera_angles(batch.cameras), 1).to(device)
        images = batch.images
        parts = [self._read(images[part].to(device)) for part in _portions(len(images))]
        angles = torch.cat([angles for _, angles in parts])
        if self.correction is not None:
            angles = angles + torch.cat([read for read, _ in parts]) @ self.correction
        return angles - angles.new_tensor([0.0, self.pitch])

    def propose(self, batch: PictureBatch) -> Tensor:
        """Return cameras `[N, 25]` of pictures."""
        yaw, pitch = self.angles(batch).unbind(1)
        return look_at_camera(yaw, pitch, self.orbit)

    @torch.no_grad()
    def correct(self, generator: Generator, step: int) -> None:
        """Learn what the encoder reads wrong in renders of a generator, whose cameras are known.

        The corrected pitches of the pictures are leveled anew. All workers take what the first has
        found.

        Args:
            generator: that draws as the pictures are drawn, more or less.
            step: number of the step, for codes and cameras.
        """
        if self.bundle.encoder is not None and self.config.renders:
            self._fit_correction(generator, step)
            self._level()
        self.load_state_dict(self.workers.from_first(self.state_dict()))

    def _fit_correction(self, generator: Generator, step: int) -> None:
        config = self.config
        rng = step_rng(self.seed, 0, step, _STREAM)
        ws = random_codes(self.bundle, config.renders, rng)
        known = self.bundle.camera_prior.sample(config.renders, rng).to(ws.device)
        yaw, pitch = camera_angles(known)
        image = _rendered(generator, ws, look_at_camera(yaw, pitch, self.orbit))
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

    def _level(self) -> None:
        if self.bundle.encoder is None or not self.config.level:
            return
        self.pitch = 0.0
        count = min(self.pictures.count, _LEVELED)
        pitches = self.angles(self.pictures.batch(0, count, seed=self.seed))[:, 1]
        self.pitch = float(pitches.mean())
        self.report["leveled_deg"] = math.degrees(self.pitch)

    def _find_distance(self) -> None:
        """Find the distance from which renders show faces as large as the pictures do."""
        config, usual = self.config, self.bundle.orbit
        if not config.faces:
            return
        bounds = radius_bounds(self.bundle, config.reach)
        if bounds is None:
            self._keep_distance("the generator's rays leave no room before or behind a head")
            return
        batch = self.pictures.batch(0, min(config.faces, self.pictures.count), seed=self.seed)
        wanted = self._spread(batch.images, "pictures")
        if wanted is None:
            return
        ws = random_codes(self.bundle, len(batch.images), step_rng(self.seed, 0, 0, _STREAM))
        yaw, pitch = self.angles(batch).unbind(1)

        def shown(orbit: Orbit) -> float | None:
            cameras = look_at_camera(yaw, pitch, orbit)
            return self._spread(_rendered(self.bundle.generator, ws, cameras), "renders")

        orbit, spread = usual, shown(usual)
        for _ in range(config.rounds):
            if spread is None:
                return
            radius = min(max(orbit.radius * spread / wanted, bounds[0]), bounds[1])
            orbit = replace(orbit, radius=radius)
            spread = shown(orbit)
        if spread is None:
            return
        self.orbit = orbit
        found = {"radius": orbit.radius, "radius_bounds": list(bounds)}
        self.report |= {**found, "spread_of_pictures": wanted, "spread_left": spread - wanted}

    def _keep_distance(self, reason: str) -> None:
        """Say that the cameras stand as far away as the family's, and why."""
        self.orbit = self.bundle.orbit
        self.report |= {"radius": self.orbit.radius, "distance": f"the family's is kept: {reason}"}
        logger.warning("avatargan3d: the family's distance of cameras is kept: %s", reason)

    def _spread(self, images: Tensor, kind: str) -> float | None:
        """Return the mean distance of landmarks from their middle, as a share of the side.

        None where too few faces are found; the distance is then kept.

        Args:
            images: `[N, 3, H, W]`.
            kind: what they are, for the report.
        """
        found: list[float] = []
        for pixels in to_uint8(images):
            faces = self.bundle.detector.detect(pixels)
            if faces:
                points = max(faces, key=lambda face: face.size).landmarks / pixels.shape[0]
                found.append(float(((points - points.mean(0)) ** 2).sum(1).mean() ** 0.5))
        if len(found) >= self.config.fewest:
            return sum(found) / len(found)
        fewest = self.config.fewest
        self._keep_distance(
            f"a face was found in {len(found)} of {len(images)} {kind}, and cameras.fewest asks "
            f"for {fewest}"
        )
        return None

    def _without_encoder(self, lack: str) -> MissingModelError:
        return MissingModelError(
            f"method 'avatargan3d' needs cameras of pictures; {self.bundle.name} has no encoder to "
            f"read them with, and {lack}: give `pictures` as a table of the align stage whose rows "
            "all have cameras, or train an encoder for the bundle"
        )

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


def _rendered(generator: Generator, ws: Tensor, cameras: Tensor) -> Tensor:
    """Return pictures of codes from a camera each, `[N, 3, S, S]`."""
    parts = _portions(len(ws))
    return torch.cat([generator.synthesize(ws[p], cameras[p]).final_image for p in parts])


def _portions(count: int) -> list[slice]:
    """Return slices of so many pictures, each small enough to be worked on at once."""
    return [slice(start, start + _AT_ONCE) for start in range(0, count, _AT_ONCE)]


def _degrees(wrong: Tensor) -> float:
    """Return the mean angle of errors `[N, 2]`, in degrees."""
    return float(torch.rad2deg(wrong.square().sum(1).sqrt()).mean())
