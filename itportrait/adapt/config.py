"""What a style domain is, and how its adaptation runs; published values are the defaults."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from itportrait.adapt.presets import PRESETS, merge
from itportrait.config import Settings
from itportrait.errors import InvalidArgumentError, UnknownNameError
from itportrait.io import uris

Mode = Literal["image", "text", "image_text"]


class DomainSpec(Settings):
    """One style domain: reference images, a prompt, or both, and what to train for it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)
    """Folder, table and run name of the domain."""
    mode: Mode
    """`image` (references alone), `text` (prompt alone) or `image_text` (both)."""
    prompt: str | None = None
    """What the portraits become, such as "a bronze statue"; needed by the modes with text."""
    source_prompt: str = "Photo"
    """What they are before."""
    references: tuple[str, ...] = ()
    """URIs of aligned style images; needed by the modes with images."""
    method: str = "itportrait"
    """Name in the registry of adaptation methods."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Overrides of `AdaptConfig` for this domain alone, nested or with dotted keys."""
    steps: int = Field(default=401, ge=1)
    """Upper bound of the optimization steps; the best one is chosen, see `SelectionConfig`."""
    train: str = "synthesis_sr"
    """Preset of trained layers: synthesis_sr, planes_only, decoder_sr, all."""
    seed: int = Field(default=0, ge=0)
    """Of every random draw of this domain."""
    license: str = ""
    """License of the reference images, kept with the adapter."""
    tags: dict[str, str] = Field(default_factory=dict)
    """Free labels, copied to the run and the bank."""

    @model_validator(mode="after")
    def _mode_has_its_inputs(self) -> Self:
        if self.mode != "image" and not (self.prompt and self.prompt.strip()):
            raise ValueError(f"prompt: mode {self.mode!r} of domain {self.name!r} needs a prompt")
        if self.mode != "text" and not self.references:
            raise ValueError(
                f"references: mode {self.mode!r} of domain {self.name!r} needs at least one picture"
            )
        return self

    def portable(self) -> dict[str, Any]:
        """Return plain data for other machines: local references by name, URIs without secrets."""
        references = [
            Path(uri).name if uris.is_local(uri) else uris.redact(uri) for uri in self.references
        ]
        return {**self.model_dump(mode="json"), "references": references}

    @property
    def uses_text(self) -> bool:
        """Whether the words guide the adaptation."""
        return self.mode != "image"

    @property
    def uses_images(self) -> bool:
        """Whether reference images guide it."""
        return self.mode != "text"


class PairConfig(Settings):
    """How the photo-realistic twin of a style image is found."""

    steps: int = Field(default=150, ge=1)
    """Optimization steps of the twin's code."""
    learning_rate: float = Field(default=0.05, gt=0)
    """Of the code in whitened coordinates (1 = one standard deviation of w)."""
    shared_rows: int | None = None
    """Rows from the first that hold the style image's code; the others are a photo's. None: 9 of
    14, scaled to the generator's rows."""
    perceptual: float = Field(default=1.0, ge=0)
    """Weight of the perceptual distance to the style image."""
    structure: float = Field(default=1.0, ge=0)
    """Weight of 1 - correlation of luma: layout apart from color."""
    prior: float = Field(default=0.02, ge=0)
    """Weight of the mean squared whitened coordinate: keeps the twin a likely photo."""
    refine_camera: bool = False
    """Optimize yaw and pitch too; done anyway where the camera is not given."""
    camera_learning_rate: float = Field(default=0.01, gt=0)
    """Of yaw and pitch, in radians."""


class AptConfig(Settings):
    """Stage 1, 3D artistic paired transfer."""

    learning_rate: float = Field(default=2e-3, gt=0)
    """Of Adam."""
    betas: tuple[float, float] = (0.0, 0.99)
    """Of Adam."""
    batch: int = Field(default=1, ge=1)
    """Random codes a step."""
    rows: Literal["style_rows", "preserve_colour"] | tuple[int, ...] = "style_rows"
    """Rows of the pair's code that are replaced by a random code's: a set by name, or a list."""
    size: int = Field(default=256, ge=16)
    """Pixels that both pictures are shrunk to before the perceptual distance."""
    perceptual: float = Field(default=1.0, ge=0)
    """Weight of the perceptual distance to the style image."""
    l2: float = Field(default=0.0, ge=0)
    """Weight of the mean squared difference to the style image."""
    identity: float = Field(default=0.0, ge=0)
    """Weight of the identity distance to the base render of the same code."""
    depth: float = Field(default=0.0, ge=0)
    """Weight of the depth distance to the base generator (world units)."""
    direction: float = Field(default=0.0, ge=0)
    """Weight of a whole stage-2 loss whose direction is E(style) - E(twin), on random codes and
    cameras, with the terms of `ite`: carries the style beyond the pair's view and face, and keeps
    the people apart. 0 is published."""


class ViewConfig(Settings):
    """Cameras that stage 2 draws from."""

    kind: Literal["published", "prior"] = "published"
    """`published`: two views a step, one of each yaw list; `prior`: those of the base model's
    training pictures."""
    prior_views: int = Field(default=1, ge=1)
    """Views of each code for `prior`."""
    yaw_a: tuple[float, ...] = (-0.6, -0.5, -0.4)
    """Radians, view A."""
    yaw_b: tuple[float, ...] = (-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    """Radians, view B; empty: one view a step."""
    pitch: tuple[float, ...] = (-0.6, -0.5, -0.4, -0.3, -0.2, -0.1, 0.0, 0.1, 0.2)
    """Radians, both views; positive is below the face."""
    radius: float = Field(default=2.7, gt=0)
    """World units from the origin."""
    fov_deg: float = Field(default=18.0, gt=0, lt=120)
    """Full field of view."""


class IteConfig(Settings):
    """Stage 2, 3D image-text embedding."""

    learning_rate: float = Field(default=1.6e-3, gt=0)
    """Of Adam."""
    betas: tuple[float, float] = (0.0, 0.992)
    """Of Adam."""
    batch: int = Field(default=2, ge=1)
    """Codes a step; each is rendered in every view."""
    pool: int = Field(default=0, ge=0)
    """Codes with their cameras from which the batches are drawn, their frozen renders made once;
    0: new ones every step (published)."""
    pair_weight: float = Field(default=0.2, ge=0, le=1)
    """Share of the pair's code in the rows that are mixed; 0 in mode `text`, which has no pair."""
    pinned_rows: int = Field(default=1, ge=0)
    """First rows that are the pair's alone."""
    frozen_camera: Literal["matched", "frontal"] = "matched"
    """Camera of the frozen render. `frontal` is the published program: a change of pose then leaks
    into every direction."""
    views: ViewConfig = ViewConfig()
    """Cameras."""
    clip_weights: tuple[float, ...] | None = None
    """One an image-text model of the bundle; None: those of the bundle, 1 each if it has none."""
    follow: float = Field(default=0.0, ge=0)
    """Weight, in the share that the image has of a step, of the perceptual and squared distance to
    the image-adapted copy's render. 0 is published: then the picture guides through CLIP alone."""
    augment: int = Field(default=0, ge=0)
    """Distorted copies of every render that are encoded besides the plain one (0: published)."""
    augment_color: float = Field(default=0.25, ge=0)
    """Strength of the copies' tint and light."""
    direction: float = Field(default=1.0, ge=0)
    """Weight of the directional term."""
    reach: float = Field(default=0.0, ge=0)
    """Weight of `reach_loss`: the change should also be as long as the words are apart. 0 is
    published."""
    identity: float = Field(default=0.0, ge=0)
    """Weight of the identity distance to the frozen render."""
    depth: float = Field(default=0.0, ge=0)
    """Weight of the depth distance to the base generator (world units)."""
    structure: float = Field(default=0.0, ge=0)
    """Weight of the luma structure term against the frozen render."""


class ThresholdConfig(Settings):
    """How image and text are balanced in stage 2: the threshold function."""

    kind: Literal["hard", "even", "soft"] = "hard"
    """`hard`: text while the image copy is near the photo, else the image (published paper);
    `even`: half and half (published program); `soft`: a smooth weight in the same quantity."""
    value: float | Literal["auto"] = 0.65
    """Threshold of mean |E(I) - E(P)|; 0.65 belongs to ViT-B/32. `auto`: taken from the first
    steps."""
    text_probability: float = Field(default=0.35, ge=0, le=1)
    """Chance of a text step whatever the distance (`hard`)."""
    auto_steps: int = Field(default=20, ge=1)
    """Stage-2 steps whose distances decide an `auto` threshold; they are text steps meanwhile."""
    auto_quantile: float = Field(default=0.5, ge=0, le=1)
    """Quantile of those distances that becomes the threshold."""
    softness: float = Field(default=0.1, gt=0)
    """Width of the `soft` transition, as a share of the threshold."""


class ProbeConfig(Settings):
    """The fixed codes and cameras on which a run is judged, equal in all domains of a base."""

    every: int = Field(default=25, ge=1)
    """Steps between scores."""
    count: int = Field(default=8, ge=2)
    """Codes."""
    seed: int = 20230904
    """Of the codes."""
    yaws: tuple[float, ...] = (0.0, -0.35, 0.35)
    """Radians, cycled over the codes."""
    images: int = Field(default=4, ge=0)
    """Renders that a report carries along."""


class SelectionConfig(Settings):
    """Which probed step is kept, see `itportrait.adapt.selection`."""

    min_gain: float = Field(default=0.01, ge=0)
    """Gain of style that a later step must bring to replace the kept one."""
    damage_cost: float = Field(default=0.5, ge=0)
    """Further gain it must bring for each unit of identity lost."""
    identity_floor: float = Field(default=0.5, ge=-1, le=1)
    """Identity cosine below which a step is unfit."""
    depth_variance_floor: float = Field(default=0.7, ge=0)
    """Depth variance against the base's below which a step is unfit (flattening)."""
    patience: int = Field(default=6, ge=1)
    """Probes without a better step after which the run stops."""


class AdaptConfig(Settings):
    """Everything about an adaptation that is not the domain's own."""

    preset: str = "published"
    """Named settings that the others are laid over: `published`, or `mini` for the embedded
    family."""
    pair: PairConfig = PairConfig()
    """Twin of each style image."""
    apt: AptConfig = AptConfig()
    """Stage 1."""
    ite: IteConfig = IteConfig()
    """Stage 2."""
    threshold: ThresholdConfig = ThresholdConfig()
    """Balance of image and text."""
    probe: ProbeConfig = ProbeConfig()
    """Scoring."""
    selection: SelectionConfig = SelectionConfig()
    """Choice of the step, early stop."""
    truncation_psi: float = Field(default=1.0, ge=0)
    """Of random codes."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of an average of the weights that is scored and kept; 0: the weights themselves."""
    neural_rendering_resolution: int | None = None
    """Of training renders; None: the generator's."""

    @model_validator(mode="before")
    @classmethod
    def _lay_over_preset(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        name = data.get("preset", "published")
        if name not in PRESETS:
            raise ValueError(str(UnknownNameError("adaptation preset", str(name), list(PRESETS))))
        return merge(PRESETS[name], data)

    @field_validator("ema")
    @classmethod
    def _ema_is_sensible(cls, value: float) -> float:
        if 0 < value < 0.5:
            raise ValueError("ema below 0.5 averages nothing; use 0 or about 0.99")
        return value


def resolve(spec: DomainSpec, config: AdaptConfig) -> AdaptConfig:
    """Return the configuration with the domain's `options` laid over it.

    Raises:
        InvalidArgumentError: an option is unknown or invalid; names it and the known ones.
    """
    data = config.model_dump(mode="json")
    if "preset" in spec.options:
        raise InvalidArgumentError(
            f"options of domain {spec.name!r}",
            expected="settings of AdaptConfig",
            actual="'preset'",
            remedy="a preset is chosen for all domains, under `adapt`",
        )
    for key, value in spec.options.items():
        *parents, leaf = key.split(".")
        node = data
        for name in parents:
            node = node.get(name)
            if not isinstance(node, dict):
                raise InvalidArgumentError(
                    f"options of domain {spec.name!r}",
                    expected=f"a section of AdaptConfig at {name!r}",
                    actual=repr(key),
                )
        both = isinstance(value, dict) and isinstance(node.get(leaf), dict)
        node[leaf] = merge(node[leaf], value) if both else value
    return AdaptConfig.parse(data, source=f"options of domain {spec.name!r}")
