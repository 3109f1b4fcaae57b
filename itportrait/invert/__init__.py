"""Invert: aligned portraits to W+ codes, batched, with early stop for each portrait by itself."""

from typing import TYPE_CHECKING

from itportrait.lazy import lazy_exports

if TYPE_CHECKING:
    from itportrait.invert.config import InvertConfig
    from itportrait.invert.inverter import Inverter, NonFiniteError
    from itportrait.invert.methods import INVERSIONS, Inversion
    from itportrait.invert.problem import Problem, Solution, Target
    from itportrait.invert.settings import LossWeights

VERSION = 1
"""Version of the stage's code. It is raised when results change; rows of other versions are
computed anew."""

__all__ = [
    "INVERSIONS",
    "VERSION",
    "Inversion",
    "InvertConfig",
    "Inverter",
    "LossWeights",
    "NonFiniteError",
    "Problem",
    "Solution",
    "Target",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "config": "InvertConfig",
        "settings": "LossWeights",
        "inverter": "Inverter NonFiniteError",
        "methods": "INVERSIONS Inversion",
        "problem": "Problem Solution Target",
    },
)
