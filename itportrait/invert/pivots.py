"""The portraits that a tuning starts from, and the check that their other views hold."""

from collections.abc import Sequence

import torch
from torch import Tensor

from itportrait.generator import Generator, Rendering
from itportrait.geometry.camera import look_at_camera
from itportrait.geometry.orbit import Orbit
from itportrait.invert.objective import where_seen
from itportrait.invert.problem import Solution, Target
from itportrait.metrics import Perceptual, depth_variance_ratio


class Pivots:
    """Codes of portraits, with the planes that the untuned generator draws of them.

    Args:
        generator: the untuned one.
        solutions: the codes.
    """

    def __init__(self, generator: Generator, solutions: Sequence[Solution]) -> None:
        self.generator, self.solutions = generator, list(solutions)
        self.ws = torch.stack([solution.w_plus for solution in solutions])
        with torch.no_grad():
            self.planes = generator.planes(self.ws)

    def render(self, cameras: Tensor, *, super_resolve: bool = True) -> Rendering:
        """Render the portraits untuned, from cameras `[N, 25]`."""
        return self.generator.render(self.planes, self.ws, cameras, super_resolve=super_resolve)

    def keep(self, rows: Tensor) -> None:
        """Keep the portraits of index tensor `rows`."""
        self.ws, self.planes = self.ws[rows], self.planes[rows]
        self.solutions = [self.solutions[int(row)] for row in rows]


class SideCheck:
    """Says whose views from both sides hold as well as those of the untuned generator.

    Args:
        pivots: the portraits.
        target: the portraits; what their masks hide counts as alike.
        perceptual: measures how much a view looks like the portrait.
        orbit: of the generator's family.
        yaw_rad: of the views, to both sides.
        depth_variance: smallest and largest variance of depth, over the untuned generator's.
        side_loss: largest perceptual distance from the portrait, over the untuned generator's.
    """

    def __init__(
        self,
        pivots: Pivots,
        target: Target,
        perceptual: Perceptual,
        *,
        orbit: Orbit,
        yaw_rad: float,
        depth_variance: tuple[float, float],
        side_loss: float,
    ) -> None:
        self.pivots, self.target, self.perceptual = pivots, target, perceptual
        self.depth_variance, self.side_loss = depth_variance, side_loss
        self.cameras = [
            look_at_camera(yaw, 0.0, orbit).to(target.image) for yaw in (-yaw_rad, yaw_rad)
        ]
        with torch.no_grad():
            self.untuned = [pivots.render(self._camera(c)) for c in self.cameras]
            self.distances = self._distances(self.untuned)

    def keep(self, rows: Tensor) -> None:
        """Keep the portraits of index tensor `rows`; `pivots` keeps them by itself."""
        self.target, self.distances = self.target.keep(rows), self.distances[rows]
        self.untuned = [
            Rendering(None, view.image_raw[rows], view.image_depth[rows], view.image_alpha[rows])
            for view in self.untuned
        ]

    @torch.no_grad()
    def holds(self, generator: Generator) -> Tensor:
        """Return the mask `[N]` of portraits whose views by a tuned generator hold."""
        ws = self.pivots.ws
        planes = generator.planes(ws)
        views = [generator.render(planes, ws, self._camera(c)) for c in self.cameras]
        good = self._distances(views) <= self.side_loss * self.distances
        least, most = self.depth_variance
        for view, untuned in zip(views, self.untuned, strict=True):
            ratio = depth_variance_ratio(
                view.image_depth, untuned.image_depth, view.image_alpha, untuned.image_alpha
            )
            good = good & (ratio >= least) & (ratio <= most)
        return good

    def _camera(self, camera: Tensor) -> Tensor:
        return camera.expand(len(self.target.image), -1)

    def _distances(self, views: Sequence[Rendering]) -> Tensor:
        """Return the mean perceptual distance of views from the portraits, `[N]`."""
        image, mask = self.target.image, self.target.mask
        each = [
            self.perceptual.distance(where_seen(view.final_image, image, mask), image)
            for view in views
        ]
        return torch.stack(each).mean(0)
