"""The registry of inversion methods."""

from typing import TYPE_CHECKING

from itportrait.registry import Registry

if TYPE_CHECKING:
    from itportrait.invert.problem import Inversion

INVERSIONS: "Registry[type[Inversion]]" = Registry(
    "inversion method",
    group="itportrait.inversions",
    own={
        "w": "itportrait.invert.w:WInversion",
        "w_plus": "itportrait.invert.w_plus:WPlusInversion",
    },
)
"""Inversion methods by name; other packages add theirs through entry points."""
