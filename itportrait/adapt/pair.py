"""Pairs: the photo-realistic twin of a style image, found from the style image alone.

Method: ITportrait (arXiv 2304.04364) trains on pairs (style image, W+ code whose render by the base
generator is the same face, pose and expression as a photo). Its program ships such codes and not
what makes them; in them the first 9 of 14 rows are the style image's inversion and the rest a
photo's, so that shape comes from the drawing and color from a photo.
Ours: one code in whitened coordinates of w, optimized against the style image by perceptual
distance and by luma structure (blind to color), held near the prior, rendered with a photo's color
rows.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from itportrait.adapt.layers import shared_rows
from itportrait.adapt.references import Reference
from itportrait.adapt.sampling import random_codes
from itportrait.adapt.settings import PairConfig
from itportrait.adapt.workers import Workers
from itportrait.bundle import Bundle
from itportrait.generator.whitened import WhitenedSpace
from itportrait.geometry.camera import camera_angles, look_at_camera
from itportrait.image import resize
from itportrait.learning.seeds import step_rng
from itportrait.losses import PerceptualLoss, structure_loss

_PRIOR_SAMPLES = 1024
_START_LIMIT = 2.0
"""Largest coordinate that the encoder's guess may start a search from."""


@dataclass(frozen=True)
class PairReport:
    """How good a twin is."""

    perceptual: float
    """Perceptual distance of twin and style image (style included, so never near 0)."""
    identity: float
    """Identity cosine of twin and style image."""
    structure: float
    """1 - correlation of their luma."""
    pose_residual_deg: float | None
    """Angle between the encoder's estimates of both poses; None without an encoder."""
    prior: float
    """Mean squared whitened coordinate: 1 is a typical portrait, far above is not a photo."""
    steps: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a log or a card."""
        return asdict(self)


@dataclass(frozen=True)
class Pair:
    """A style image and its twin.

    Args:
        style: `[1, 3, S, S]` in [-1, 1].
        camera: `[1, 25]` of both.
        w_plus: `[1, num_ws, w_dim]` of the twin.
        twin: `[1, 3, S, S]` its render.
        report: its quality.
    """

    style: Tensor
    camera: Tensor
    w_plus: Tensor
    twin: Tensor
    report: PairReport

    def state_dict(self) -> dict[str, Any]:
        """Return tensors and numbers for a checkpoint."""
        return {
            "style": self.style.cpu(),
            "camera": self.camera.cpu(),
            "w_plus": self.w_plus.cpu(),
            "twin": self.twin.cpu(),
            "report": self.report.to_dict(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], device: torch.device) -> "Pair":
        """Rebuild a pair from `state_dict`."""
        tensors = {name: state[name].to(device) for name in ("style", "camera", "w_plus", "twin")}
        return cls(**tensors, report=PairReport(**state["report"]))


def code_prior(bundle: Bundle, rng: torch.Generator) -> WhitenedSpace:
    """Return the space of twins' codes: principal axes of w over 1,024 random portraits."""
    return WhitenedSpace.principal(random_codes(bundle, _PRIOR_SAMPLES, rng)[:, 0])


def build_pairs(
    bundle: Bundle,
    references: Sequence[Reference],
    config: PairConfig,
    seed: int,
    workers: Workers,
) -> list[Pair]:
    """Find the photo-realistic twin of every style image of a domain.

    Every worker seeks them alone, and all go on with the first's, since machines round otherwise.

    Args:
        bundle: as for `build_pair`.
        references: aligned style images.
        config: weights and steps.
        seed: of the domain.
        workers: those that train the domain together.
    """
    prior = code_prior(bundle, step_rng(seed, 0, 0, "prior"))
    own = [build_pair(bundle, reference, config, prior) for reference in references]
    states = workers.from_first([pair.state_dict() for pair in own])
    return [Pair.from_state(state, bundle.generator.device) for state in states]


class _TwinSearch:
    """The variables of one search, and their render."""

    def __init__(
        self, bundle: Bundle, reference: Reference, config: PairConfig, prior: WhitenedSpace
    ) -> None:
        self.generator, self.config, self.prior = bundle.generator, config, prior
        self.orbit = bundle.orbit
        device = self.generator.device
        side = self.generator.image_resolution
        self.style = resize(reference.image(device), side)
        u = torch.zeros(1, len(prior.to_w), device=device)
        angles = torch.zeros(2, device=device)
        if bundle.encoder is not None:
            with torch.no_grad():
                w_plus, estimated = bundle.encoder(self.style)
            u = prior.whiten(w_plus.mean(1)).clamp(-_START_LIMIT, _START_LIMIT)
            angles = estimated[0]
        self.given = reference.camera_vector(device)
        if self.given is not None:
            angles = torch.stack([angle[0] for angle in camera_angles(self.given)])
        self.moves_camera = config.refine_camera or self.given is None
        self.u = u.clone().requires_grad_(True)
        self.angles = angles.clone().requires_grad_(self.moves_camera)
        self.rows = shared_rows(config.shared_rows, self.generator)

    def optimizer(self) -> torch.optim.Optimizer:
        groups = [{"params": [self.u], "lr": self.config.learning_rate}]
        if self.moves_camera:
            groups.append({"params": [self.angles], "lr": self.config.camera_learning_rate})
        return torch.optim.Adam(groups, betas=(0.9, 0.99))

    def camera(self) -> Tensor:
        if not self.moves_camera and self.given is not None:
            return self.given
        return look_at_camera(self.angles[0], self.angles[1], self.orbit)

    def w_plus(self) -> Tensor:
        shape = self.prior.color(self.u)[:, None].expand(-1, self.rows, -1)
        photo = self.prior.mean.expand(1, self.generator.num_ws - self.rows, -1)
        return torch.cat([shape, photo], 1)


def build_pair(
    bundle: Bundle, reference: Reference, config: PairConfig, prior: WhitenedSpace
) -> Pair:
    """Find the photo-realistic twin of a style image.

    Args:
        bundle: generator, perceptual and identity models; the encoder, if any, starts the search.
        reference: aligned style image; without a camera, yaw and pitch are optimized as well.
        config: weights and steps.
        prior: of the bundle's codes.
    """
    started = time.perf_counter()
    search = _TwinSearch(bundle, reference, config, prior)
    optimizer = search.optimizer()
    perceptual = PerceptualLoss(bundle.perceptual)
    for step in range(config.steps):
        progress = step / config.steps
        ramp = min(1.0, progress / 0.05 + 1e-3, (1 - progress) / 0.25)
        optimizer.param_groups[0]["lr"] = config.learning_rate * ramp
        image = search.generator.synthesize(search.w_plus(), search.camera()).final_image
        loss = (
            config.perceptual * perceptual(image, search.style).mean()
            + config.structure * structure_loss(image, search.style).mean()
            + config.prior * search.u.square().mean()
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        w_plus, camera = search.w_plus(), search.camera()
        twin = search.generator.synthesize(w_plus, camera).final_image
        report = PairReport(
            perceptual=float(perceptual(twin, search.style).mean()),
            identity=float(bundle.identity.similarity(twin, search.style).mean()),
            structure=float(structure_loss(twin, search.style).mean()),
            pose_residual_deg=_pose_residual_deg(bundle, twin, search.style),
            prior=float(search.u.square().mean()),
            steps=config.steps,
            seconds=time.perf_counter() - started,
        )
    return Pair(search.style, camera, w_plus, twin, report)


def _pose_residual_deg(bundle: Bundle, twin: Tensor, style: Tensor) -> float | None:
    if bundle.encoder is None:
        return None
    (_, of_twin), (_, of_style) = bundle.encoder(twin), bundle.encoder(style)
    return math.degrees(float((of_twin - of_style).norm()))
