"""Settings that adaptation methods share: those of every method, of training copies, pairs, views.

A method names its own settings in a class derived from one of these. Published values are the
defaults; nothing here loads torch, so that a configuration is checked at once.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

from pydantic import Field, field_validator, model_validator

from itportrait.adapt.domain import DomainSpec, Input, Mode
from itportrait.config import Settings, is_section, merge
from itportrait.errors import UnknownNameError

Network = Literal["clip", "perceptual", "identity", "depth"]
"""What a loss can look through: a network of the bundle, or the depth of renders."""


class StepProbeConfig(Settings):
    """The fixed codes and cameras on which the steps of a run are scored, alike in all domains."""

    every: int = Field(default=25, ge=1)
    """Number of steps between two scores."""
    count: int = Field(default=8, ge=2)
    """Number of codes."""
    seed: int = 20230904
    """Seed of the codes."""
    yaws: tuple[float, ...] = (0.0, -0.35, 0.35)
    """Yaws in radians that the codes take in turn."""
    images: int = Field(default=4, ge=0)
    """Number of renders that a report carries."""


class SelectionConfig(Settings):
    """Which probed step is kept, see `itportrait.adapt.selection`."""

    min_gain: float = Field(default=0.01, ge=0)
    """Gain of style that a later step must bring to replace the kept one."""
    damage_cost: float = Field(default=0.5, ge=0)
    """Additional gain that it must bring for each unit of identity lost."""
    identity_floor: float = Field(default=0.5, ge=-1, le=1)
    """Identity cosine below which a step is not kept."""
    depth_variance_floor: float = Field(default=0.7, ge=0)
    """Depth variance, relative to the base generator's, below which a step is not kept: the
    faces have become flat."""
    patience: int = Field(default=6, ge=1)
    """Number of scores without a better step after which the run stops."""


class MethodConfig(Settings):
    """What every adaptation method reads; a method's own settings derive from it."""

    accepts: ClassVar[frozenset[Input]] = frozenset({"text", "image", "images"})
    """What may guide the method; a domain that gives it something else is refused."""
    modes: ClassVar[frozenset[Mode]] = frozenset(get_args(Mode))
    """Modes of a domain that the method has; some are guided by words or pictures, not by both."""
    looks_through: ClassVar[frozenset[Network] | None] = None
    """What the method's losses look through, by default, in a preset, or by a setting. A comparison
    tells by it which figures are measured by what a method was trained with. None: not declared."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "published": {},
        "mini": {"probe": {"every": 20, "count": 6}},
    }
    """Values by the name of a preset. Derived classes give those of their own settings."""
    trains: ClassVar[frozenset[str] | None] = None
    """Presets of layers that the method can train; None means all. A domain that asks for another
    one is refused."""

    preset: str = "published"
    """Named settings over which all others are laid: `published`, or `mini` for the embedded
    family."""
    probe: StepProbeConfig = StepProbeConfig()
    """How often, and on what, a run is scored."""
    selection: SelectionConfig = SelectionConfig()
    """Which step is kept, and when a run stops early."""
    truncation_psi: float = Field(default=1.0, ge=0)
    """Truncation of the random codes; 1 is none."""
    precision: Literal["fp32", "fast"] = "fp32"
    """What generators compute with in training, as in `resources.precision`. Weights, optimizers
    and losses are float32 in both."""

    @model_validator(mode="before")
    @classmethod
    def _lay_over_preset(cls, data: Any) -> Any:
        if not is_section(data):
            return data
        name = data.get("preset", "published")
        layers: list[Mapping[str, Mapping[str, Any]]] = [
            vars(kind)["presets"] for kind in cls.__mro__[::-1] if "presets" in vars(kind)
        ]
        known = {preset for layer in layers for preset in layer}
        if name not in known:
            raise ValueError(str(UnknownNameError("adaptation preset", str(name), list(known))))
        values: dict[str, Any] = {}
        for layer in [*(layer.get(name, {}) for layer in layers), data]:
            values = merge(values, layer)
        return values

    def unread(self, spec: DomainSpec) -> tuple[str, ...]:
        """Return the settings that such a domain never reads, by dotted names.

        They are no part of its fingerprint, so that it stands when they change. A method that does
        not say is made again whatever changes.

        Args:
            spec: the domain, whose options are laid over these settings already.
        """
        return ()

    def run_steps(self, spec: DomainSpec) -> int:
        """Return how many steps a run of such a domain takes at most: those that the domain asks.

        A method that trains nothing for the domain takes one, whatever the domain says; the
        domain's fingerprint then does not depend on what it says.

        Args:
            spec: the domain, whose options are laid over these settings already.
        """
        return spec.steps

    def name_as_first(self, settings: dict[str, Any], spec: DomainSpec) -> None:
        """Put settings under the names by which they were hashed first.

        A method that renames a value keeps its domains' fingerprints so, and one that has a new
        setting leaves it out where it changes nothing.

        Args:
            settings: plain data of these settings, changed in place.
            spec: the domain.
        """


class FinetuningConfig(MethodConfig):
    """What methods read that train copies of the generator."""

    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of a moving average of the weights, which is then scored and kept. 0 keeps the weights
    themselves."""
    neural_rendering_resolution: int | None = None
    """Side in pixels of the neural rendering in training; None takes the generator's."""

    @field_validator("ema")
    @classmethod
    def _ema_is_sensible(cls, value: float) -> float:
        if 0 < value < 0.5:
            raise ValueError("ema below 0.5 averages nothing; use 0 or about 0.99")
        return value


class PairConfig(Settings):
    """How the photo-realistic twin of a style image is found."""

    steps: int = Field(default=150, ge=1)
    """Number of optimization steps for the twin's code."""
    learning_rate: float = Field(default=0.05, gt=0)
    """Learning rate of the twin's code, in standard deviations of w."""
    shared_rows: int | None = None
    """Number of rows, counted from the first, that hold the style image's code; the other rows
    are a photo's. None means 9 of 14, scaled to the generator's number of rows."""
    perceptual: float = Field(default=1.0, ge=0)
    """Weight of the perceptual distance to the style image."""
    structure: float = Field(default=1.0, ge=0)
    """Weight of the structure term, 1 - correlation of luma, which sees layout and not color."""
    prior: float = Field(default=0.02, ge=0)
    """Weight of the mean squared distance from the average w, in standard deviations; it keeps the
    twin a likely photo."""
    refine_camera: bool = False
    """Whether yaw and pitch are optimized too. They always are where no camera is given."""
    camera_learning_rate: float = Field(default=0.01, gt=0)
    """Learning rate of yaw and pitch, in radians."""


class ViewConfig(Settings):
    """Cameras that steps draw from."""

    kind: Literal["published", "prior"] = "published"
    """Where cameras come from. `published`: two views a step, one from each list of yaws.
    `prior`: the distribution of the base model's training cameras."""
    prior_views: int = Field(default=1, ge=1)
    """Number of views of each code, for `prior`."""
    yaw_a: tuple[float, ...] = (-0.6, -0.5, -0.4)
    """Yaws of the first view, in radians."""
    yaw_b: tuple[float, ...] = (-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    """Yaws of the second view, in radians; an empty list means one view a step."""
    pitch: tuple[float, ...] = (-0.6, -0.5, -0.4, -0.3, -0.2, -0.1, 0.0, 0.1, 0.2)
    """Pitches of both views, in radians; positive ones look from below the face."""
    radius: float = Field(default=2.7, gt=0)
    """Distance of the cameras from the origin, in world units."""
    fov_deg: float = Field(default=18.0, gt=0, lt=120)
    """Full field of view of the cameras, in degrees."""
