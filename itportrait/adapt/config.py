"""What a style domain is, and how its adaptation runs; published values are the defaults."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from itportrait.adapt.presets import PRESETS, merge
from itportrait.config import Settings
from itportrait.errors import InvalidArgumentError, UnknownNameError
from itportrait.io import uris
from itportrait.io.names import check_domain

Mode = Literal["image", "text", "image_text"]
DomainName = Annotated[str, AfterValidator(check_domain)]


class DomainSpec(Settings):
    """One style domain: reference images, a prompt, or both, and what to train for it."""

    name: DomainName
    """Folder, table and run name of the domain."""
    mode: Mode
    """`image` (references alone), `text` (prompt alone) or `image_text` (both)."""
    prompt: str | None = None
    """What the portraits become, such as "a bronze statue"; the modes with text need it."""
    source_prompt: str = "Photo"
    """What the portraits are before the adaptation, in words."""
    references: tuple[str, ...] = ()
    """URIs of aligned style images; the modes with images need at least one."""
    method: str = "itportrait"
    """Name in the registry of adaptation methods."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Overrides of `AdaptConfig` for this domain alone, nested or with dotted keys."""
    steps: int = Field(default=401, ge=1)
    """Upper bound of the optimization steps; the best one is chosen, see `SelectionConfig`."""
    train: str = "synthesis_sr"
    """Preset of the layers that are trained: synthesis_sr, planes_only, decoder_sr or all."""
    seed: int = Field(default=0, ge=0)
    """Seed of this domain's random draws."""
    license: str = ""
    """License of the reference images, kept with the adapter."""
    tags: dict[str, str] = Field(default_factory=dict)
    """Free labels; they are copied to the tracked run and to the bank."""

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

    def unknown_names(self) -> dict[str, str]:
        """Return what is wrong with names that must be known here, by key; {} if nothing is.

        Apart from validation, because a card of a bank may name a method that is not installed
        here, and its version can be used all the same.
        """
        from itportrait.adapt.layers import LAYER_PRESETS
        from itportrait.adapt.methods import METHODS

        problems = {}
        try:
            METHODS.validated(self.method)
        except ValueError as error:
            problems["method"] = str(error)
        if self.train not in LAYER_PRESETS:
            known = list(LAYER_PRESETS)
            problems["train"] = str(UnknownNameError("layer preset", self.train, known))
        return problems


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


FORMER_ROW_SETS = {"preserve_colour": "preserve_color"}
"""Names of sets of rows in the first release, and what they are called now."""


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


class ViewConfig(Settings):
    """Cameras that stage 2 draws from."""

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


class ThresholdConfig(Settings):
    """How image and text are balanced in stage 2: the threshold function."""

    kind: str = "hard"
    """The threshold function by name. `hard` (published paper): text guides while the
    image-adapted copy is near the photo, else the image. `even` (published program): half and half.
    `soft`: a smooth weight in the same quantity."""
    value: float | Literal["auto"] = 0.65
    """Threshold of the mean of |E(I) - E(P)|; 0.65 belongs to ViT-B/32. `auto` takes it from the
    first steps."""
    text_probability: float = Field(default=0.35, ge=0, le=1)
    """For `hard`: chance of a text step whatever the distance."""
    auto_steps: int = Field(default=20, ge=1)
    """Number of stage-2 steps whose distances decide an `auto` threshold; until then, text
    guides."""
    auto_quantile: float = Field(default=0.5, ge=0, le=1)
    """Quantile of those distances that becomes the threshold."""
    softness: float = Field(default=0.1, gt=0)
    """Width of the `soft` transition, as a share of the threshold."""

    @field_validator("kind")
    @classmethod
    def _kind_is_known(cls, value: str) -> str:
        from itportrait.adapt.methods.itportrait.balance import BALANCES

        return BALANCES.validated(value)


class ProbeConfig(Settings):
    """The fixed codes and cameras on which a run is judged, equal in all domains of a base."""

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


class AdaptConfig(Settings):
    """Everything about an adaptation that is not the domain's own."""

    preset: str = "published"
    """Named settings over which all others are laid: `published`, or `mini` for the embedded
    family."""
    pair: PairConfig = PairConfig()
    """How the photo-realistic twin of each style image is found."""
    apt: AptConfig = AptConfig()
    """Stage 1, 3D artistic paired transfer."""
    ite: IteConfig = IteConfig()
    """Stage 2, 3D image-text embedding."""
    threshold: ThresholdConfig = ThresholdConfig()
    """Balance of image and text in stage 2."""
    probe: ProbeConfig = ProbeConfig()
    """How often, and on what, a run is scored."""
    selection: SelectionConfig = SelectionConfig()
    """Which step is kept, and when a run stops early."""
    truncation_psi: float = Field(default=1.0, ge=0)
    """Truncation of the random codes; 1 is none."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of a moving average of the weights, which is then scored and kept. 0 keeps the weights
    themselves."""
    neural_rendering_resolution: int | None = None
    """Side in pixels of the neural rendering in training; None takes the generator's."""

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
