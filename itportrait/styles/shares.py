"""Which share of a tuned portrait's difference counts in a style of weights, by what a layer does.

A layer whose weights a style has changed gives a portrait's difference another meaning, and what a
style paints anew is not the portrait's. What tells the code to the layers (their affine maps) and
what turns features into colors (to-RGB) carries over; convolutions do by half, and background and
decoder do not. The shares were measured (`benchmarks/bm_stylized_truth.py`); docs/decisions.md has
the figures.
"""

from fnmatch import fnmatchcase

SHARES = (
    ("background.*", 0.0),
    ("decoder.*", 0.0),
    ("*.affine.*", 1.0),
    ("*.torgb.*", 1.0),
    ("backbone.*", 0.5),
    ("superresolution.*", 0.5),
)
"""Patterns of parameters' names, with their share where a style is in at full strength; all others
have 1. The first pattern that fits counts. A generator of another family, whose parameters have
other names, keeps all of a difference."""


def share_at_full(name: str) -> float:
    """Return the share of a parameter's difference where a style is in at full strength."""
    return next((share for pattern, share in SHARES if fnmatchcase(name, pattern)), 1.0)


def share_within(at_full: float, style: float) -> float:
    """Return the share of a difference that counts; it falls from 1 to that at full strength.

    Args:
        at_full: the share at full strength.
        style: how much of a style is in, from 0 (not at all) to 1; what is beyond counts as 1.
    """
    return 1 + min(max(style, 0.0), 1.0) * (at_full - 1)
