"""Adaptation methods, by name; other packages add theirs through entry points."""

from itportrait.adapt.methods.base import (
    METHODS,
    AdaptationMethod,
    MethodContext,
    StepLoss,
    Student,
)
from itportrait.adapt.methods.itportrait import ItportraitMethod

__all__ = [
    "METHODS",
    "AdaptationMethod",
    "ItportraitMethod",
    "MethodContext",
    "StepLoss",
    "Student",
]
