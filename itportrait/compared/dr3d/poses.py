"""Cameras of pictures that come without: an estimator that learns from renders of known pose."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from itportrait.adapt.workers import Workers
from itportrait.bundle import Bundle
from itportrait.compared.dr3d.config import PoseConfig
from itportrait.errors import MissingModelError
from itportrait.geometry.camera import camera_angles, look_at_camera
from itportrait.learning.averages import move_average
from itportrait.learning.copies import copied
from itportrait.perception.encoder import EncoderModel
from itportrait.picture_sets import PictureSet

_AT_ONCE = 16
_LEVELED = 256
"""Largest number of pictures whose mean pitch is taken."""


class PoseEstimator:
    """A copy of the bundle's encoder that learns angles, and a frozen copy of it that proposes.

    The two take turns: the first learns from renders, whose cameras are known and which look more
    and more like the pictures; at intervals the second becomes the moving average of the first.

    Args:
        bundle: its encoder is copied.
        config: learning rates, and the interval.
        pictures: the set, whose mean pitch is kept where the settings ask for it.
        seed: of the domain.

    Raises:
        MissingModelError: the bundle has no encoder.
    """

    def __init__(self, bundle: Bundle, config: PoseConfig, pictures: PictureSet, seed: int) -> None:
        if bundle.encoder is None:
            raise MissingModelError(
                f"method 'dr3d' estimates the cameras of pictures by the bundle's encoder, and "
                f"{bundle.name} has none; train one for the bundle, or choose a method that is "
                "guided by references or a prompt"
            )
        self.config, self.orbit = config, bundle.orbit
        self.pictures, self.seed, self.device = pictures, seed, bundle.generator.device
        self.network = copy.deepcopy(bundle.encoder).eval().requires_grad_(False)
        learning = [*self.network.trunk.stages[1:], self.network.hidden]
        body = [p for part in learning for p in part.parameters()]
        heads = list(self.network.angles.parameters())
        self.parameters: list[nn.Parameter] = [*body, *heads]
        rate = config.learning_rate
        groups = [{"params": body}, {"params": heads, "lr": rate * config.head_factor}]
        self.optimizer: torch.optim.Optimizer = torch.optim.Adam(groups, lr=rate)
        self.average: EncoderModel = copy.deepcopy(self.network)
        self.proposing: EncoderModel = copy.deepcopy(self.network)
        self.level = self._mean_pitch() if config.level else 0.0
        """Mean pitch of the set's pictures, in radians, as the bundle's encoder reads it."""
        self.turn = 0.0
        """By how much what the frozen copy reads has drifted from it; it is taken off."""

    @torch.no_grad()
    def propose(self, image: Tensor) -> Tensor:
        """Return cameras `[N, 25]` of pictures `[N, 3, H, W]`, by the frozen copy."""
        yaw, pitch = self._read(image)
        return look_at_camera(yaw, pitch - self.turn, self.orbit)

    def _read(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return yaw and pitch `[N]` that the frozen copy reads."""
        yaw, pitch = self.proposing(image)[1].unbind(1)
        if self.config.mirror:
            mirrored_yaw, mirrored_pitch = self.proposing(image.flip(-1))[1].unbind(1)
            yaw, pitch = (yaw - mirrored_yaw) / 2, (pitch + mirrored_pitch) / 2
        return yaw, pitch

    @torch.no_grad()
    def _mean_pitch(self) -> float:
        """Return what the frozen copy reads from pictures of the set, in radians.

        They are drawn at random, by the domain's seed: the same ones at every call.
        """
        count = min(self.pictures.count, _LEVELED)
        images = self.pictures.batch(0, count, seed=self.seed).images
        read = [
            self._read(images[start : start + _AT_ONCE].to(self.device))[1]
            for start in range(0, count, _AT_ONCE)
        ]
        return float(torch.cat(read).mean())

    def error(self, image: Tensor, cameras: Tensor) -> Tensor:
        """Return the mean squared error of the angles seen in pictures, in squared radians.

        Gradients reach the pictures, and the network in `learn`.

        Args:
            image: `[N, 3, H, W]`, rendered.
            cameras: `[N, 25]` that they were rendered from.
        """
        known = torch.stack(camera_angles(cameras), 1)
        return (self.network(image)[1] - known).square().mean()

    def learn(self, image: Tensor, cameras: Tensor, workers: Workers) -> float:
        """Take a step towards the known poses of renders, and return the error before it."""
        for parameter in self.parameters:
            parameter.requires_grad_(True)
        self.optimizer.zero_grad(set_to_none=True)
        error = self.error(image.detach(), cameras)
        torch.autograd.backward(error)
        workers.average_gradients(self.parameters)
        self.optimizer.step()
        for parameter in self.parameters:
            parameter.requires_grad_(False)
        move_average(self.average.parameters(), self.network.parameters(), self.config.average)
        return float(error.detach())

    def take_turns(self, index: int) -> None:
        """Let what has been learned propose, if a step is the last of its interval."""
        if (index + 1) % self.config.refresh == 0:
            self.proposing.load_state_dict(self.average.state_dict())
            if self.config.level:
                self.turn = self._mean_pitch() - self.level

    def state_dict(self) -> dict[str, Any]:
        """Return all copies and the optimizer, as copies."""
        return {
            "average": copied(self.average.state_dict(), "cpu"),
            "level": self.level,
            "turn": self.turn,
            "network": copied(self.network.state_dict(), "cpu"),
            "proposing": copied(self.proposing.state_dict(), "cpu"),
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.level, self.turn = state["level"], state["turn"]
        self.proposing.load_state_dict(state["proposing"])
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
