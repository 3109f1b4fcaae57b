"""Settings that guided methods share; a module apart from them, so that checking loads no torch."""

from pydantic import Field

from itportrait.adapt.settings import FinetuningConfig


class GuidedConfig(FinetuningConfig):
    """What methods read that train one copy by guides: the figures of its Adam.

    The defaults are JoJoGAN's published ones; other methods give their own.
    """

    learning_rate: float = Field(default=2e-3, gt=0)
    """Learning rate of Adam."""
    betas: tuple[float, float] = (0.0, 0.99)
    """Decay rates of Adam's two averages."""
