"""Settings of the your3demoji method; no program of it is public, so the values are ours."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from itportrait.adapt.settings import FinetuningConfig
from itportrait.compared.jojogan.config import MINI as JOJOGAN_MINI
from itportrait.compared.jojogan.config import JojoTerms

MINI: dict[str, Any] = {
    "teacher": {**JOJOGAN_MINI, "steps": 60, "learning_rate": 6e-3},
    "pairs": 256,
    "size": 128,
    "learning_rate": 6e-3,
    "back_learning_rate": 1e-3,
}
"""For the embedded family: larger steps for its few weights, fewer of them, and fewer pairs."""


class TeacherConfig(JojoTerms):
    """How the copy that draws the pairs is adapted: by JoJoGAN's recipe."""

    steps: int = Field(default=300, ge=1)
    """Number of steps of the teacher, before the first step of the run."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Learning rate of the teacher's Adam."""
    betas: tuple[float, float] = (0.0, 0.99)
    """Decay rates of the teacher's Adam's two averages."""


class Your3dEmojiConfig(FinetuningConfig):
    """Everything that the your3demoji method reads."""

    accepts: ClassVar = frozenset({"image"})
    modes: ClassVar = frozenset({"image"})
    looks_through: ClassVar = frozenset({"perceptual"})
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"mini": MINI}

    teacher: TeacherConfig = TeacherConfig()
    """How the copy that draws the stylized picture of each pair is adapted."""
    pairs: int = Field(default=2000, ge=1)
    """Number of pairs. Each is a function of its number, and drawn when a step takes it."""
    style_share: float = Field(default=1.0, ge=0, le=1)
    """Share of the style picture's code in the style rows of the stylized picture."""
    yaw_rad: float = Field(default=0.5, ge=0)
    """Largest yaw of a pair's camera to either side, in radians (uniform)."""
    pitch_rad: float = Field(default=0.1, ge=0)
    """Largest pitch of a pair's camera up or down, in radians (uniform)."""
    batch: int = Field(default=1, ge=1)
    """Number of pairs in a step. Each is rendered with gradients three times: there, back, and
    around the cycle."""
    size: int = Field(default=256, ge=16)
    """Side in pixels to which both pictures are shrunk before the perceptual distance."""
    perceptual: float = Field(default=1.0, ge=0)
    """Weight of the perceptual distance, there and back."""
    l1: float = Field(default=1.0, ge=0)
    """Weight of the mean absolute difference, there and back."""
    back: float = Field(default=1.0, ge=0)
    """Weight of the way back, from the stylized picture to the photo."""
    cycle: float = Field(default=0.5, ge=0)
    """Weight of the cycle: a stylized picture, taken back and stylized again, is the same."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Learning rate of the Adam of the way there."""
    betas: tuple[float, float] = (0.0, 0.99)
    """Decay rates of Adam's two averages, there and back."""
    back_learning_rate: float = Field(default=1e-4, gt=0)
    """Learning rate of the Adam of the way back."""
