"""The losses of the mini CLIP, each on unit vectors of pictures and texts."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def classify(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the cross-entropy, in which every class of the batch counts as much."""
    weight = 1 / torch.bincount(truth, minlength=logits.shape[1]).clamp_min(1)
    return F.cross_entropy(logits, truth, weight=weight)


def tell_apart(margin: Tensor, label: Tensor) -> Tensor:
    """Return the cross-entropy of margins `[n, attributes]`, over those that are seen.

    The rarer side of an attribute counts as much as the other.
    """
    losses = []
    for value, sign in ((1, -1.0), (0, 1.0)):
        chosen = (label == value).float()
        known = chosen.sum(0) > 0
        mean = (F.softplus(sign * margin) * chosen).sum(0) / chosen.sum(0).clamp_min(1)
        losses.append(mean[known])
    return torch.cat(losses).mean()


def off(vector: Tensor, place: Tensor) -> Tensor:
    """Return how far unit vectors are from the directions of places."""
    return (1 - F.cosine_similarity(vector, place, dim=1)).mean()


def contrast(image: Tensor, text: Tensor, captions: Sequence[str], scale: Tensor) -> Tensor:
    """Return the contrastive loss of CLIP; equal captions are equally right."""
    number = {text: index for index, text in enumerate(dict.fromkeys(captions))}
    label = torch.tensor([number[text] for text in captions], device=image.device)
    target = (label[:, None] == label[None]).float()
    target = target / target.sum(1, keepdim=True)
    logits = scale * image @ text.T
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def direction(image: Tensor, text: Tensor) -> Tensor:
    """Return how far changes of pictures are from the words' change, in direction and length."""
    cosine = F.cosine_similarity(image, text, dim=1)
    # Only the pictures reach for the words: words that gave way would end in one point.
    goal = text.detach()
    off = (image - goal).square().sum(1) / goal.square().sum(1).clamp_min(1e-6)
    return (1 - cosine).mean() + 0.25 * off.mean()
