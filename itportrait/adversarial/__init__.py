"""Adversarial training of generators on sets of pictures: discriminator, augmentation, losses."""

from typing import TYPE_CHECKING

from itportrait.adversarial.config import MINI_ADVERSARY, AdversarialConfig
from itportrait.lazy import lazy_exports

if TYPE_CHECKING:
    from itportrait.adversarial.adversary import Adversary
    from itportrait.adversarial.blur import blurred
    from itportrait.adversarial.density import density_difference
    from itportrait.adversarial.discriminator import Discriminator
    from itportrait.adversarial.shown import Shown

__all__ = [
    "MINI_ADVERSARY",
    "AdversarialConfig",
    "Adversary",
    "Discriminator",
    "Shown",
    "blurred",
    "density_difference",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "adversary": "Adversary",
        "blur": "blurred",
        "density": "density_difference",
        "discriminator": "Discriminator",
        "shown": "Shown",
    },
)
