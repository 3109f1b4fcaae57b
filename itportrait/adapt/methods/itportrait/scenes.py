"""What a step of stage 2 looks at: codes, cameras, and the frozen generator's renders of them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from itportrait.adapt.methods.itportrait.config import ItportraitConfig
from itportrait.adapt.pair import Pair
from itportrait.adapt.sampling import random_codes, random_views
from itportrait.bundle import Bundle
from itportrait.generator import Generator, Rendering
from itportrait.geometry.camera import frontal_camera
from itportrait.learning.seeds import step_rng


@dataclass(frozen=True)
class Scene:
    """A batch of B codes in V views, with V * B frozen renders: views outermost.

    Args:
        ws: `[B, num_ws, w_dim]`.
        cameras: V times `[B, 25]`.
        image: `[V * B, 3, S, S]`, frozen render.
        depth: `[V * B, 1, R, R]`.
        alpha: `[V * B, 1, R, R]`.
    """

    ws: Tensor
    cameras: list[Tensor]
    image: Tensor
    depth: Tensor
    alpha: Tensor


def render_views(
    generator: Generator, ws: Tensor, cameras: list[Tensor], resolution: int | None
) -> Rendering:
    """Render every code in every view, tri-planes drawn once; rows: views, then codes."""
    planes = generator.planes(ws)
    count = len(cameras)
    return generator.render(
        planes.repeat(count, 1, 1, 1, 1),
        ws.repeat(count, 1, 1),
        torch.cat(cameras),
        neural_rendering_resolution=resolution,
    )


class SceneSource:
    """Draws scenes: new ones every step, or from a pool whose frozen renders are made once.

    Args:
        bundle: its generator is the frozen one.
        config: resolved configuration; `ite.pool` is the number of scenes of one code in the pool.
        pairs: random codes are drawn towards one of these; may be empty.
        seed: of the domain.
        rank: of this worker: its pool is its own.
    """

    def __init__(
        self, bundle: Bundle, config: ItportraitConfig, pairs: list[Pair], seed: int, rank: int
    ) -> None:
        self.bundle, self.generator = bundle, bundle.generator
        self.config, self.pairs = config, pairs
        self.seed, self.rank = seed, rank
        self._pool: dict[int, Scene] = {}

    def draw(self, rng: torch.Generator) -> Scene:
        """Return the scene of a step."""
        ite = self.config.ite
        if not ite.pool:
            return self._make(ite.batch, rng)
        chosen = torch.randint(ite.pool, (ite.batch,), generator=rng)
        return _join([self._pooled(int(index)) for index in chosen])

    def codes(self, count: int, rng: torch.Generator) -> Tensor:
        """Return random codes, drawn towards a pair's where there is one, `[count, rows, w]`."""
        ite = self.config.ite
        ws = random_codes(self.bundle, count, rng, self.config.truncation_psi)
        if not self.pairs:
            return ws
        pair = self.pairs[int(torch.randint(len(self.pairs), (), generator=rng))].w_plus
        mixed = ite.pair_weight * pair + (1 - ite.pair_weight) * ws
        pinned = ite.pinned_rows
        return torch.cat([pair[:, :pinned].expand(count, -1, -1), mixed[:, pinned:]], 1)

    def _pooled(self, index: int) -> Scene:
        """A scene is a function of its index, so a resumed run makes the same ones again."""
        if index not in self._pool:
            self._pool[index] = self._make(1, step_rng(self.seed, self.rank, index, "pool"))
        return self._pool[index]

    def _views(self, count: int, rng: torch.Generator) -> list[Tensor]:
        views = self.config.ite.views
        if views.kind == "published":
            return random_views(views, count, rng, self.bundle.orbit)
        return [self.bundle.camera_prior.sample(count, rng) for _ in range(views.prior_views)]

    @torch.no_grad()
    def _make(self, count: int, rng: torch.Generator) -> Scene:
        ws = self.codes(count, rng)
        cameras = [camera.to(ws.device) for camera in self._views(count, rng)]
        seen = cameras
        if self.config.ite.frozen_camera == "frontal":
            frontal = frontal_camera(self.bundle.orbit)
            seen = [frontal.to(camera).expand_as(camera) for camera in cameras]
        resolution = self.config.neural_rendering_resolution
        frozen = render_views(self.generator, ws, seen, resolution)
        return Scene(ws, cameras, frozen.final_image, frozen.image_depth, frozen.image_alpha)


def _join(scenes: list[Scene]) -> Scene:
    """Put scenes of one code each side by side, views outermost."""

    def rows(parts: list[Tensor]) -> Tensor:
        return torch.stack(parts, 1).flatten(0, 1)

    return Scene(
        torch.cat([scene.ws for scene in scenes]),
        [torch.cat(views) for views in zip(*(scene.cameras for scene in scenes), strict=True)],
        rows([scene.image for scene in scenes]),
        rows([scene.depth for scene in scenes]),
        rows([scene.alpha for scene in scenes]),
    )
