"""Settings of the itportrait method; published values are the defaults."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from itportrait.adapt.domain import DomainSpec
from itportrait.adapt.methods.itportrait.balance import ThresholdConfig
from itportrait.adapt.settings import FinetuningConfig, PairConfig, ViewConfig
from itportrait.config import Settings

FORMER_ROW_SETS = {"preserve_colour": "preserve_color"}
"""Names of sets of rows in the first release, and what they are called now."""
_FIRST_NAMES = {name: former for former, name in FORMER_ROW_SETS.items()}


MINI: dict[str, Any] = {
    "pair": {"steps": 50},
    "apt": {"size": 128, "learning_rate": 6e-3, "direction": 1.0, "l2": 1.0},
    "ite": {
        "learning_rate": 6e-3,
        "views": {"kind": "prior"},
        "pool": 64,
        "pinned_rows": 0,
        "follow": 1.0,
        "reach": 1.0,
        "identity": 0.2,
        "depth": 1.0,
    },
    "threshold": {"value": "auto", "auto_steps": 10},
}
"""For the embedded family: cameras of its own prior (the published ones reach beyond what it has
seen), its own threshold, fewer renders, larger steps for its few weights, the terms that keep the
person, and `reach`: along the directions of so small a model a faint change would be enough."""


_OF_PAIRS = ("ite.pair_weight", "ite.pinned_rows", "ite.follow")
"""Settings of stage 2 that only a pair, or a copy trained on it, gives a meaning."""


class AptConfig(Settings):
    """Stage 1, 3D artistic paired transfer."""

    learning_rate: float = Field(default=2e-3, gt=0)
    """Learning rate of Adam."""
    betas: tuple[float, float] = (0.0, 0.99)
    """Decay rates of Adam's two averages."""
    batch: int = Field(default=1, ge=1)
    """Number of random codes in a step."""
    rows: Literal["style_rows", "preserve_color"] | tuple[int, ...] = "style_rows"
    """Rows of the pair's code that a random code replaces: a named set, or a list of rows."""
    size: int = Field(default=256, ge=16)
    """Side in pixels to which both pictures are shrunk before the perceptual distance."""
    perceptual: float = Field(default=1.0, ge=0)
    """Weight of the perceptual distance to the style image."""
    l2: float = Field(default=0.0, ge=0)
    """Weight of the mean squared difference to the style image."""
    identity: float = Field(default=0.0, ge=0)
    """Weight of the identity distance to the base render of the same code."""
    depth: float = Field(default=0.0, ge=0)
    """Weight of the depth distance to the base generator, in world units."""
    direction: float = Field(default=0.0, ge=0)
    """Weight of an additional stage-2 loss whose direction is E(style) - E(twin), on random codes
    and cameras, with the terms of `ite`. It carries the style beyond the pair's view and face, and
    keeps people apart. The published method has 0."""

    @field_validator("rows", mode="before")
    @classmethod
    def _former_name(cls, value: Any) -> Any:
        return FORMER_ROW_SETS.get(value, value) if isinstance(value, str) else value


class IteConfig(Settings):
    """Stage 2, 3D image-text embedding."""

    learning_rate: float = Field(default=1.6e-3, gt=0)
    """Learning rate of Adam."""
    betas: tuple[float, float] = (0.0, 0.992)
    """Decay rates of Adam's two averages."""
    batch: int = Field(default=2, ge=1)
    """Number of codes in a step; each is rendered in every view."""
    pool: int = Field(default=0, ge=0)
    """Number of codes, with their cameras, from which batches are drawn; their frozen renders are
    made once. 0, as published, draws new codes in every step."""
    pair_weight: float = Field(default=0.2, ge=0, le=1)
    """Share of the pair's code in the rows that are mixed. It is 0 in mode `text`, which has
    no pair."""
    pinned_rows: int = Field(default=1, ge=0)
    """Number of rows, counted from the first, that always are the pair's."""
    frozen_camera: Literal["matched", "frontal"] = "matched"
    """Camera of the frozen render. `matched` is the camera of the adapted render. `frontal` is
    what the published program does: a change of pose then leaks into every direction."""
    views: ViewConfig = ViewConfig()
    """Cameras of the renders."""
    clip_weights: tuple[float, ...] | None = None
    """Weights of the bundle's image-text models, one each. None takes the weights that the
    bundle names, or 1 each."""
    follow: float = Field(default=0.0, ge=0)
    """Weight of the perceptual and squared distance to the image-adapted copy's render, within the
    image's share of a step. With 0, as published, the picture guides through CLIP alone."""
    augment: int = Field(default=0, ge=0)
    """Number of distorted copies of every render that are encoded besides it; 0 as published."""
    augment_color: float = Field(default=0.25, ge=0)
    """Strength of the tint and light of these copies."""
    direction: float = Field(default=1.0, ge=0)
    """Weight of the directional CLIP loss."""
    reach: float = Field(default=0.0, ge=0)
    """Weight of `reach_loss`, which asks that the change be as long as the words are apart. The
    published method has 0."""
    identity: float = Field(default=0.0, ge=0)
    """Weight of the identity distance to the frozen render."""
    depth: float = Field(default=0.0, ge=0)
    """Weight of the depth distance to the base generator, in world units."""
    structure: float = Field(default=0.0, ge=0)
    """Weight of the structure term, 1 - correlation of luma, against the frozen render."""


class ItportraitConfig(FinetuningConfig):
    """Everything that the itportrait method reads."""

    looks_through: ClassVar = frozenset({"clip", "perceptual", "identity", "depth"})
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"mini": MINI}

    pair: PairConfig = PairConfig()
    """How the photo-realistic twin of each style image is found."""
    apt: AptConfig = AptConfig()
    """Stage 1, 3D artistic paired transfer."""
    ite: IteConfig = IteConfig()
    """Stage 2, 3D image-text embedding."""
    threshold: ThresholdConfig = ThresholdConfig()
    """Balance of image and text in stage 2."""
    lead: float = Field(default=0.0, ge=0, lt=1)
    """Share of the steps, from the first, in which mode `image_text` does stage 1 alone. The result
    then goes on from that copy by stage 2 alone. With 0, as published, both copies begin as the
    base, and steps alternate between them."""

    def unread(self, spec: DomainSpec) -> tuple[str, ...]:
        """Return what the stages and pairs that a mode does without would have read."""
        if spec.mode == "text":
            return ("pair", "apt", "threshold", "lead", *_OF_PAIRS)
        if spec.mode == "image_text":
            return ()
        if not self.apt.direction:
            return ("ite", "threshold", "lead")
        # Stage 1 then takes a whole loss of stage 2, on random codes and with its own optimizer.
        return ("threshold", "lead", "ite.learning_rate", "ite.betas", *_OF_PAIRS)

    def name_as_first(self, settings: dict[str, Any], spec: DomainSpec) -> None:
        """Put sets of rows under their names in the first release, which knew no `lead`."""
        if spec.mode != "image_text" or not settings["lead"]:
            del settings["lead"]
        rows = settings["apt"]["rows"]
        settings["apt"]["rows"] = _FIRST_NAMES.get(rows, rows) if isinstance(rows, str) else rows
