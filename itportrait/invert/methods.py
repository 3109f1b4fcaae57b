"""What an inversion method is, and the registry of them."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from itportrait.config import Settings
from itportrait.errors import InvalidArgumentError
from itportrait.registry import Registry

if TYPE_CHECKING:
    from itportrait.bundle import Bundle
    from itportrait.invert.problem import Problem, Solution
    from itportrait.invert.settings import InversionSettings


class Inversion(ABC):
    """An inversion method: built once for a bundle, called once for every batch.

    Args:
        config: of the stage.
        bundle: models.

    Raises:
        InvalidArgumentError: `config.options` holds what the method's `Config` refuses.
    """

    VERSION: ClassVar[int] = 1
    """Version of the method's code. It is raised when results change; portraits that were inverted
    by other versions are inverted anew."""
    Config: ClassVar[type[Settings]] = Settings
    """The method's own settings, given as `invert.methods.NAME`; none by default."""
    tunes: ClassVar[bool] = False
    """Whether the method optimizes the generator's weights for a portrait, and so heeds
    `invert.tune`."""

    def __init__(self, config: "InversionSettings", bundle: "Bundle") -> None:
        self.config, self.bundle = config, bundle
        self.options = self.Config.parse(config.options, source=_section(config))

    @abstractmethod
    def run(self, problem: "Problem") -> "list[Solution]":
        """Return one solution per portrait, in order."""

    @classmethod
    def check(cls, config: "InversionSettings", bundle: "Bundle | None" = None) -> None:
        """Refuse settings that the method cannot work with, before any model is loaded.

        Args:
            config: of the stage.
            bundle: models, where they are known; a method may look at what they are, and loads
                none.

        Raises:
            InvalidArgumentError: `config.options` holds what the method's `Config` refuses, or
                tuning is asked of a method that does none.
            MissingModelError: the bundle lacks what the settings ask for.
        """
        del bundle
        if config.tune == "always" and not cls.tunes:
            raise InvalidArgumentError(
                "invert.tune",
                expected=f"auto or never with invert.method {config.method}, which tunes nothing",
                actual=config.tune,
                remedy="choose invert.method pti to tune the generator to each portrait",
            )
        cls.Config.parse(config.options, source=_section(config))

    @classmethod
    def weights_mb(cls, config: "InversionSettings") -> float:
        """Return how many MiB the weights that are kept of a portrait take, by which shards shrink.

        Settings do not say which model they are for, and shards must not depend on it: a method
        that tunes weights returns what they take of the published generator of 512 pixels.

        Args:
            config: of the stage.

        Raises:
            InvalidArgumentError: `config.options` holds what the method's `Config` refuses.
        """
        del config
        return 0.0


def _section(config: "InversionSettings") -> str:
    return f"invert.methods.{config.method}"


INVERSIONS: Registry[type[Inversion]] = Registry(
    "inversion method",
    group="itportrait.inversions",
    own={
        "encoder": "itportrait.invert.encoder:EncoderInversion",
        "hyper": "itportrait.hyper.method:HyperInversion",
        "multiview": "itportrait.invert.multiview:MultiviewTuning",
        "pti": "itportrait.invert.pti:PivotalTuning",
        "symmetry": "itportrait.invert.symmetry:SymmetryTuning",
        "w": "itportrait.invert.w_plus:WInversion",
        "w_plus": "itportrait.invert.w_plus:WPlusInversion",
    },
)
"""Inversion methods by name; other packages add theirs through entry points."""
