"""Names of metrics for people, and which direction is better."""

from dataclasses import dataclass
from typing import Literal

_ARROWS = {"more": "↑", "less": "↓", None: ""}
_UNITS = ((1, "B"), (1e3, "KB"), (1e6, "MB"), (1e9, "GB"))


@dataclass(frozen=True)
class Measure:
    """How a metric is shown.

    Args:
        name: of the metric.
        label: for people.
        better: whether `more` or `less` is better; None where neither is a merit.
        meaning: one sentence on what it says.
    """

    name: str
    label: str
    better: Literal["more", "less"] | None = None
    meaning: str = ""

    @property
    def heading(self) -> str:
        """The label, with an arrow in the better direction."""
        return f"{self.label} {_ARROWS[self.better]}".strip()

    @property
    def explained(self) -> str:
        """The meaning, and which direction is better."""
        words = (self.better or "neither direction").capitalize()
        return f"{self.meaning} {words} is better.".strip()

    def beats(self, value: float, other: float) -> bool:
        """Tell whether `value` is better than `other`; never where neither direction is better."""
        if self.better is None:
            return False
        return value > other if self.better == "more" else value < other

    def written(self, value: float) -> str:
        """Return a figure as people read it: bytes with their unit, and as many digits as
        its size needs."""
        if self.name.endswith("_bytes"):
            unit = next((u for u in _UNITS if abs(value) < 1000 * u[0]), _UNITS[-1])
            return f"{value / unit[0]:,.{_places(value / unit[0], 2)}f} {unit[1]}"
        small, most = (1, 2) if self.name.endswith("_seconds") else (0.1, 3)
        most += abs(value) < small
        return f"{value:,.{_places(value, most)}f}"


def _places(value: float, most: int) -> int:
    """Return the digits after the point: at most these, fewer for large numbers."""
    return most if abs(value) < 10 else max(most - 1, 0) if abs(value) < 100 else max(most - 2, 0)


MEASURES = (
    Measure(
        "clip_direction",
        "CLIP direction",
        "more",
        "Cosine of the picture's change with the change of the words.",
    ),
    Measure("clip_reach", "CLIP reach", None, "Share of the words' change that the picture made."),
    Measure("clip_image", "CLIP to reference", "more", "Cosine to the reference images."),
    Measure(
        "clip_image_gain",
        "CLIP to reference, gain",
        "more",
        "How much nearer to the references than the unstylized render.",
    ),
    Measure(
        "truth_distance",
        "Distance to truth",
        "less",
        "Perceptual distance of a portrait to its own true stylization.",
    ),
    Measure(
        "truth_distance_base",
        "Distance to truth, unstylized",
        None,
        "Perceptual distance of the unstylized render to the true stylization.",
    ),
    Measure("kid", "KID", "less", "Kernel distance to the set of the domain's pictures."),
    Measure("kid_ratio", "KID, share of base", "less", "KID divided by that of the base."),
    Measure("fid", "FID", "less", "Fréchet distance to the set of the domain's pictures."),
    Measure("identity", "Identity", "more", "Cosine of identity features to the input."),
    Measure(
        "view_consistency",
        "View consistency",
        "more",
        "Cosine of identity features between views of one portrait.",
    ),
    Measure("depth_distance", "Depth distance", "less", "Distance of depth maps to the base's."),
    Measure(
        "depth_variance",
        "Depth variance, 1 as base",
        None,
        "Variance of depth as a share of the base's; far below 1 the head is flat.",
    ),
    Measure("diversity", "Diversity", "more", "Mean perceptual distance between portraits."),
    Measure(
        "adapt_seconds",
        "Seconds to adapt",
        "less",
        "Time to make one style, with its probes and without the loading of models.",
    ),
    Measure(
        "portrait_seconds",
        "Seconds a portrait",
        "less",
        "Time to fit a style to one portrait, where it fits any, and to render four views of it, "
        "without alignment and inversion.",
    ),
    Measure("style_bytes", "Size of a style", "less", "Bytes of the saved style."),
)
"""Metrics that the page knows, in the order in which it shows them."""


def measure_of(name: str) -> Measure:
    """Return how a metric is shown; one that is not in `MEASURES` gets its own name as label."""
    known = {measure.name: measure for measure in MEASURES}
    return known.get(name) or Measure(name, name.replace("_", " "))
