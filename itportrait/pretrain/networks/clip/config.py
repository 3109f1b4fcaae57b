"""The hyper-parameters of the two image-text models."""

import torch
from torch import nn

from itportrait.pretrain.training.task import AdamTraining


class ClipTraining(AdamTraining):
    """Hyper-parameters of the mini CLIP's training; by default those of the model of styles."""

    weight_decay: float = 0.02
    """Weight decay of AdamW on matrices; gains, biases and embeddings have none."""
    warmup_steps: int = 100
    """Number of steps over which the learning rate rises."""
    clip_gradient: float = 1.0
    """Largest norm of the gradient; a longer one is scaled down to it."""
    batch: int = 48
    """Number of pictures with captions in a batch."""
    photo_share: float = 0.6
    """Share of photos in a batch: photos show most people, and people teach attributes."""
    pairs: int = 8
    """Number of pairs of photo and domain in a batch, each with two pictures between them."""
    contrast_weight: float = 0.5
    """Weight of the contrast of captions."""
    domain_weight: float = 0.5
    """Weight of the classification by one prompt for each domain."""
    attribute_weight: float = 2.0
    """Weight of the classification by pairs of prompts, see `itportrait.mini.attributes`."""
    head_weight: float = 0.0
    """Weight of the classification of attributes by a head on the picture's vector."""
    direction_weight: float = 1.0
    """Weight of the direction loss."""
    between_weight: float = 2.0
    """Weight of the loss of pictures between photo and domain."""
    adversary_weight: float = 1.0
    """Weight of the loss of pictures changed against the model."""
    adversary: float = 0.08
    """Largest root mean square of the change against the model, of pictures in [-1, 1]."""
    still_from: tuple[float, float] = (0.2, 0.5)
    """Shares of the budget between which the weights of `between` and `adversary` rise from 0.

    From the start they would hold all pictures in one place, where nothing is learned. While their
    weights are 0 they are not computed, which saves a third of a step.
    """

    def optimizer(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return AdamW, with weight decay of matrices alone."""
        named = list(module.named_parameters())
        plain = [p for name, p in named if p.ndim < 2 or "embedding" in name]
        matrices = [p for name, p in named if p.ndim >= 2 and "embedding" not in name]
        groups = [
            {"params": matrices, "weight_decay": self.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.learning_rate, betas=(0.9, 0.98))

    @classmethod
    def of_trained(cls) -> "ClipTraining":
        """Return the hyper-parameters of a model that was trained before: all losses at once."""
        return cls(learning_rate=1.5e-3, still_from=(0.0, 0.0))

    @classmethod
    def of_traits(cls) -> "ClipTraining":
        """Return the hyper-parameters of the model of traits, which begins as the model of styles.

        With the default weights of `between` and `adversary`, a model that knows attributes takes
        a generator's first tint for the style.
        """
        more = {"head_weight": 1.0, "between_weight": 5.0, "adversary_weight": 3.0}
        return cls.of_trained().model_copy(update=more)
