"""Train the perceptual network: recognize who and what is drawn, from distorted pictures.

The trunk predicts every latent that the picture shows, and the domain. Features that can do this
describe a portrait at all scales; the two heads are dropped afterwards.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.perception.perceptual import PerceptualModel
from itportrait.perception.trunk import ConvTrunk
from itportrait.portraits.prior import INPUTS
from itportrait.pretrain.training.augment import move, recolor, soften
from itportrait.pretrain.training.task import AdamTraining, NetworkTask, TaskInputs


class PerceptualTraining(AdamTraining):
    """Hyper-parameters of the perceptual network's training."""

    learning_rate: float = 3e-3
    """Learning rate of AdamW, after the warm-up and before it falls."""
    batch: int = 32
    """Number of pictures in a batch."""
    domain_weight: float = 0.3
    """Weight of the domain's cross-entropy beside the latents' squared error."""


class RecognitionNetwork(nn.Module):
    """A trunk with heads for the latents and the domain."""

    def __init__(self, trunk: ConvTrunk, domains: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.hidden = nn.Linear(trunk.widths[-1] * 16, 256)
        self.latent = nn.Linear(256, len(INPUTS))
        self.domain = nn.Linear(trunk.pooled_size(), domains)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return latents `[N, len(INPUTS)]` and domain logits `[N, domains]`."""
        features = self.trunk(image)
        flat = F.adaptive_avg_pool2d(features[-1], 4).flatten(1)
        hidden = F.leaky_relu(self.hidden(flat), 0.1)
        return self.latent(hidden), self.domain(ConvTrunk.pool(features))


class PerceptualTask(NetworkTask[RecognitionNetwork, PerceptualTraining]):
    """The perceptual network in training, on all domains that the data has."""

    def __init__(self, inputs: TaskInputs, config: PerceptualTraining) -> None:
        network = RecognitionNetwork(ConvTrunk(), len(inputs.train.domains)).to(inputs.device)
        super().__init__("perceptual", network, [config.optimizer(network)], config, inputs)

    def images(self, rows: Tensor, rng: torch.Generator) -> Tensor:
        """Return pictures distorted a little: the network is to recognize colors and sizes."""
        image = move(self.train.floats(rows, self.device), rng, shift=0.03, scale=0.05, turn=0.05)
        return soften(recolor(image, rng, gain=0.05, light=0.08), rng, noise=0.04)

    def losses(self, progress: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Return squared error of latents and cross-entropy of domains."""
        rows = self.draw(len(self.train), self.config.batch)
        latent, domain = self.module(self.images(rows, rng))
        true_latent = self.train.latent[rows, : len(INPUTS)].to(self.device)
        true_domain = self.train.domain[rows].to(self.device)
        return {
            "latent": F.mse_loss(latent, true_latent),
            "domain": self.config.domain_weight * F.cross_entropy(domain, true_domain),
        }

    def measure(self) -> dict[str, float]:
        """Return the share of the latents' variance that is explained, and of right domains."""
        errors, right = [], []
        for part in self.held_out.spread(256).split(64):
            latent, domain = self.average(self.held_out.floats(part, self.device))
            true_latent = self.held_out.latent[part, : len(INPUTS)].to(self.device)
            errors.append((latent - true_latent).square())
            right.append(domain.argmax(1).cpu() == self.held_out.domain[part])
        return {
            "explained": 1 - float(torch.cat(errors).mean()),
            "domain_top1": float(torch.cat(right).float().mean()),
        }

    def model(self) -> PerceptualModel:
        """Return the averaged network without its heads."""
        return PerceptualModel(self.average.trunk).eval().requires_grad_(False)
