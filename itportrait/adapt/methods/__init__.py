"""Adaptation methods, by name; other packages add theirs through entry points."""

from typing import TYPE_CHECKING

from itportrait.lazy import lazy_exports
from itportrait.registry import Registry

if TYPE_CHECKING:
    from itportrait.adapt.methods.base import AdaptationMethod, MethodContext, StepLoss, Student
    from itportrait.adapt.methods.itportrait.method import ItportraitMethod

METHODS: "Registry[type[AdaptationMethod]]" = Registry(
    "adaptation method",
    group="itportrait.adaptation_methods",
    own={"itportrait": "itportrait.adapt.methods.itportrait.method:ItportraitMethod"},
)
"""Adaptation methods by name."""

__all__ = [
    "METHODS",
    "AdaptationMethod",
    "ItportraitMethod",
    "MethodContext",
    "StepLoss",
    "Student",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "base": "AdaptationMethod MethodContext StepLoss Student",
        "itportrait.adapt.methods.itportrait.method": "ItportraitMethod",
    },
)
