"""The way back: from a stylized picture to the code of the person, so to the photo."""

import copy
from typing import Any

import torch
from torch import Tensor

from itportrait.adapt.sampling import random_codes
from itportrait.adapt.workers import Workers
from itportrait.bundle import Bundle
from itportrait.learning.copies import copied
from itportrait.learning.seeds import step_rng
from itportrait.perception.encoder import EncoderModel
from itportrait.perception.trunk import ConvTrunk

_SAMPLES = 1024


class BackNetwork:
    """A trained copy of the bundle's encoder, or a small new one where it has none.

    Args:
        bundle: its generator's codes are predicted.
        seed: of the domain, for a new encoder.
        learning_rate: of Adam.
        betas: of Adam.
    """

    def __init__(
        self, bundle: Bundle, seed: int, *, learning_rate: float, betas: tuple[float, float]
    ) -> None:
        encoder = bundle.encoder
        network = _new_encoder(bundle, seed) if encoder is None else copy.deepcopy(encoder)
        self.network = network.to(bundle.generator.device).eval().requires_grad_(True)
        self.network.angles.requires_grad_(False)  # the cameras of pairs are known
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.optimizer: torch.optim.Optimizer = torch.optim.Adam(
            self.parameters, lr=learning_rate, betas=betas
        )

    def codes(self, image: Tensor) -> Tensor:
        """Return the codes `[N, num_ws, w_dim]` of stylized pictures `[N, 3, S, S]`."""
        return self.network(image)[0]

    def clear(self) -> None:
        """Forget the gradients of the last step."""
        self.optimizer.zero_grad(set_to_none=True)

    def advance(self, workers: Workers) -> None:
        """Take a step along the gradients that a backward pass has left, averaged over workers."""
        workers.average_gradients(self.parameters)
        self.optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Return weights and optimizer, as copies."""
        return {
            "network": copied(self.network.state_dict(), "cpu"),
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))


def _new_encoder(bundle: Bundle, seed: int) -> EncoderModel:
    """Return an encoder with random weights, which depend on the seed alone.

    It gives one w for all rows of a code at first: the mean of random codes, plus their spread
    times what the network says of the picture.
    """
    generator = bundle.generator
    encoder = EncoderModel(ConvTrunk(), generator.num_ws, generator.w_dim)
    rng = step_rng(seed, 0, 0, "back-weights")
    with torch.no_grad():
        for name, weight in encoder.named_parameters():
            if name.endswith("bias"):
                weight.zero_()
            elif weight.ndim > 1:  # norms stay at one
                spread = weight[0].numel() ** -0.5
                weight.copy_(torch.randn(weight.shape, generator=rng) * spread)
        encoder.basis.zero_()  # offsets of rows
    w = random_codes(bundle, _SAMPLES, step_rng(seed, 0, 0, "back"))[:, 0]
    encoder.w_avg.copy_(w.mean(0))
    encoder.w_std.copy_(w.std(0))
    return encoder
