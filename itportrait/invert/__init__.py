"""Invert: aligned portraits to W+ codes, batched, with early stop for each portrait by itself."""

from itportrait.invert import w, w_plus  # registers the methods
from itportrait.invert.config import InvertConfig, LossWeights
from itportrait.invert.inverter import Inverter, NonFiniteError
from itportrait.invert.problem import INVERSIONS, Inversion, Problem, Solution

__all__ = [
    "INVERSIONS",
    "Inversion",
    "InvertConfig",
    "Inverter",
    "LossWeights",
    "NonFiniteError",
    "Problem",
    "Solution",
    "w",
    "w_plus",
]
