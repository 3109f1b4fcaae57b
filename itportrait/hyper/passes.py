"""The passes of a hyper-network over a batch of portraits: look, change, look again.

Training and inversion both run these; what only training does is to differentiate each change.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from itportrait.geometry.camera import camera_angles
from itportrait.hyper.small_changes import SmallChanges
from itportrait.image import resize
from itportrait.invert.objective import where_seen
from itportrait.invert.problem import Target
from itportrait.perception.encoder import EncoderModel
from itportrait.perception.hyper import PICTURE_SIZE, Evidence, HyperNetwork


@dataclass(frozen=True)
class Look:
    """What N portraits look like with their present changes.

    Args:
        vector: `[N, D]`: the changes.
        render: `[N, 3, 64, 64]`: reconstructions, and the portrait where it is not compared.
        error: `[N]`: half the summed squared error.
        gradient: `[N, D]`: of the error by the vector.
    """

    vector: Tensor
    render: Tensor
    error: Tensor
    gradient: Tensor

    def better(self, after: "Look") -> tuple["Look", Tensor]:
        """Return for each portrait this or the look after a pass, whichever errs less.

        Returns:
            The looks, and the mask `[N]` of portraits that changed.
        """
        taken = after.error < self.error

        def choose(new: Tensor, old: Tensor) -> Tensor:
            return torch.where(taken.view(-1, *[1] * (new.ndim - 1)), new, old)

        names = ("vector", "render", "error", "gradient")
        return Look(*(choose(getattr(after, n), getattr(self, n)) for n in names)), taken


class Passes:
    """The state of a batch: portraits, their first codes, and how changes act on them.

    Args:
        changes: of the generator.
        target: the portraits, with the cameras that they are compared from.
        encoder: gives the first codes.
        refined: `[N]`: 1 where the camera may be corrected, else 0.
    """

    def __init__(
        self, changes: SmallChanges, target: Target, encoder: EncoderModel, refined: Tensor
    ) -> None:
        self.changes, self.target = changes, target
        with torch.no_grad():
            self.ws, angles = encoder(target.image)
            self.angles = torch.cat([torch.stack(camera_angles(target.camera), 1), angles], 1)
            self.picture = resize(target.image, PICTURE_SIZE)
        everything = torch.ones(len(refined), changes.size, device=refined.device)
        self.allowed = torch.where(
            refined[:, None] > 0, everything, changes.without_camera(everything)
        )

    def first(self) -> Look:
        """Return how the portraits look with the encoder's codes alone."""
        return self.look(torch.zeros_like(self.allowed))

    @torch.no_grad()
    def run(self, network: HyperNetwork, count: int) -> tuple[Look, Tensor]:
        """Run passes of a network; one that makes a portrait's error larger is not kept.

        Args:
            network: predicts the changes.
            count: number of passes.

        Returns:
            The last look, and how many passes of each portrait were kept, `[N]`.
        """
        look, former = self.first(), network.nothing_yet(len(self.ws))
        kept = torch.zeros(len(self.ws), dtype=torch.long, device=self.ws.device)
        for number in range(count):
            change, former = network(number, self.evidence(look), former)
            look, taken = look.better(self.look(look.vector + change * self.allowed))
            kept += taken
        return look, kept

    @torch.enable_grad()
    def look(self, vector: Tensor) -> Look:
        """Render changes, and differentiate the error by them once."""
        vector = vector.detach().requires_grad_()
        image = self.changes.render(self.ws, vector, self.target.camera)
        image = where_seen(image.float(), self.target.image, self.target.mask)
        error = 0.5 * (image - self.target.image).square().flatten(1).sum(1)
        (gradient,) = torch.autograd.grad(error.sum(), vector)
        small = resize(image.detach(), PICTURE_SIZE)
        return Look(vector.detach(), small, error.detach(), gradient)

    def evidence(self, look: Look) -> Evidence:
        """Return what the network is told of a look."""
        gradient = look.gradient * self.allowed
        return Evidence(self.picture, look.render, gradient, look.error, self.angles)
