"""What image-text models tell of held-out people: their domain, and how domains differ."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.perception.clip import ImageTextModel
from itportrait.portraits import PHOTO
from itportrait.portraits.domains import get_domain
from itportrait.pretrain.training.data import PortraitData, pairs_across


@torch.no_grad()
def measure_clip(
    clips: Sequence[ImageTextModel], data: PortraitData, *, count: int = 450
) -> dict[str, float]:
    """Measure domains and directions on pictures, by the mean similarity of some models.

    Returns:
        `domain_top1`: share of pictures whose nearest prompt is their domain's; `direction`: mean
        cosine between the pictures' direction, photo to domain, and the prompts', over domains;
        `direction_least`: of the worst domain.
    """
    names = [name for i, name in enumerate(data.domains) if bool((data.domain == i).any())]
    rows = data.spread(count)
    likeness, cosines = [], []
    for model in clips:
        phrases = [get_domain(name).phrases[0].format("a person") for name in names]
        prompts = torch.stack([model.encode_prompt(phrase, ("{}",)) for phrase in phrases])
        images = [model.encode_image(data.floats(part, model.device)) for part in rows.split(64)]
        likeness.append((torch.cat(images) @ prompts.T).cpu())
        if PHOTO in names:
            cosines.append(_cosines(model, dict(zip(names, prompts, strict=True)), data))
    guess = torch.stack(likeness).mean(0).argmax(1)
    true = torch.tensor([names.index(data.domains[int(d)]) for d in data.domain[rows]])
    figures = {"domain_top1": float((guess == true).float().mean())}
    if cosines and cosines[0]:
        means = [sum(row[name] for row in cosines) / len(cosines) for name in cosines[0]]
        figures["direction"] = sum(means) / len(means)
        figures["direction_least"] = min(means)
    return figures


def _cosines(
    model: ImageTextModel, prompts: dict[str, Tensor], data: PortraitData
) -> dict[str, float]:
    """Return how far each domain's pictures change as its words do."""
    cosines = {}
    for name in prompts.keys() - {PHOTO}:
        pairs = pairs_across(data, PHOTO, name)[:64]
        first, second = (model.encode_image(data.floats(side, model.device)) for side in pairs.T)
        text = F.normalize(prompts[name] - prompts[PHOTO], dim=0)
        cosines[name] = float((F.normalize(second - first, dim=1) @ text).mean())
    return cosines
