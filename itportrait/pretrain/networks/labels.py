"""Which attributes drawn portraits show, as labels of a classification."""

import numpy as np
import torch
from torch import Tensor

from itportrait.mini.attributes import ATTRIBUTES
from itportrait.portraits import PHOTO
from itportrait.portraits.domains import get_domain, style_traits
from itportrait.portraits.prior import Person, decode_traits
from itportrait.pretrain.training.data import PortraitData


def attribute_labels(data: PortraitData) -> dict[str, Tensor]:
    """Return for every attribute `[n]` int64: 1 has it, 0 lacks it, -1 unclear or unseen."""
    labels = {name: np.full(len(data), -1, np.int64) for name in ATTRIBUTES}
    for row, (latent, domain) in enumerate(
        zip(data.latent.numpy(), data.domain.tolist(), strict=True)
    ):
        name, style = data.domains[domain], get_domain(data.domains[domain]).style
        traits = style_traits(decode_traits(Person(latent)), style)
        for key, attribute in ATTRIBUTES.items():
            hidden = style.hairless and key in ("beard", "bald", "bun", "long_hair", "fringe")
            if hidden or (attribute.colored and name != PHOTO):
                continue
            amount = attribute.amount(traits)
            if amount >= attribute.high:
                labels[key][row] = 1
            elif amount <= attribute.low:
                labels[key][row] = 0
    return {name: torch.from_numpy(values) for name, values in labels.items()}
