"""Settings that inversion methods share."""

from typing import Any, Literal

from pydantic import Field

from itportrait.config import Settings


class LossWeights(Settings):
    """What the optimization minimizes; every term is a mean, so that sizes do not matter."""

    l2: float = Field(default=4.0, ge=0)
    """Weight of the squared error of the image in [-1, 1]."""
    l1: float = Field(default=0.5, ge=0)
    """Weight of the absolute error of the image in [-1, 1]."""
    raw: float = Field(default=0.25, ge=0)
    """Weight of the absolute error of the neural rendering before super-resolution; it keeps the
    shape honest."""
    perceptual: float = Field(default=0.5, ge=0)
    """Weight of the distance of the bundle's perceptual network."""
    identity: float = Field(default=0.0, ge=0)
    """Weight of 1 - cosine of the bundle's identity network."""
    prior: float = Field(default=0.01, ge=0)
    """Weight of the squared distance from `w_avg`, in standard deviations of W; plausible codes
    hold when they are turned."""
    spread: float = Field(default=0.03, ge=0)
    """Weight of the variance of the W+ rows, in standard deviations of W; near W, novel views
    hold."""
    camera: float = Field(default=0.02, ge=0)
    """Weight of the squared change of the camera, in units of its expected errors."""


class InversionSettings(Settings):
    """How portraits become W+ codes, as every method reads it."""

    method: str = "w_plus"
    """Inversion method by name: `w_plus`, `w`; `encoder`, which optimizes nothing; `pti`, which
    also tunes the generator to the portraits that `tune` names; `multiview` and `symmetry`, which
    tune it to views made of the portrait as well; or `hyper`, in which a network predicts code and
    weights without optimization."""
    methods: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings of single methods, by the method's name. Those of `pti` are listed at
    `TuningConfig`, those of `multiview`, `symmetry` and `hyper` at `MultiviewConfig`,
    `SymmetryConfig` and `HyperConfig`; `w_plus`, `w` and `encoder` have none."""
    start: Literal["auto", "encoder", "mean"] = "auto"
    """First code: the bundle's encoder, `w_avg`, or (`auto`) the encoder where there is one."""
    steps: int = Field(default=100, ge=1)
    """Largest number of optimization steps."""
    w_share: float = Field(default=0.3, ge=0, le=1)
    """Share of the steps that optimize W before W+; only with `start: mean`."""
    lr: float = Field(default=0.1, gt=0)
    """Learning rate of the code, in standard deviations of W."""
    camera_lr: float = Field(default=0.1, gt=0)
    """Learning rate of the camera, in its expected errors."""
    warm_up: float = Field(default=0.05, ge=0, le=1)
    """Share of the steps over which the learning rate rises linearly."""
    ramp_down: float = Field(default=0.25, ge=0, le=1)
    """Share of the steps over which the learning rate falls to zero along a cosine."""
    noise: float = Field(default=0.05, ge=0)
    """Noise on the code at the first step, in standard deviations of W; only with `start: mean`."""
    noise_until: float = Field(default=0.5, gt=0, le=1)
    """Share of the steps after which there is no noise; it falls as a square."""
    early_stop: bool = True
    """Whether a portrait that has converged ramps down early and leaves the batch."""
    min_gain: float = Field(default=0.02, ge=0)
    """Relative fall of the loss within `patience` steps below which a portrait has converged."""
    patience: int = Field(default=20, ge=1)
    """Number of steps within which `min_gain` must be reached."""
    target_psnr: float | None = None
    """PSNR of the input view, in dB, at which a portrait has converged; None is no such rule."""
    tune: Literal["auto", "always", "never"] = "auto"
    """Which portraits a method that tunes the generator tunes it for: those that their codes alone
    do not show well (`auto`), all of them, or none. Rows say in `tuning` what became of it."""
    good_perceptual: float = Field(default=0.06, ge=0)
    """Largest perceptual distance of a code's render from the portrait that `tune: auto` counts as
    shown well."""
    good_identity: float = Field(default=0.95, ge=-1, le=1)
    """Smallest identity cosine of a code's render with the portrait that `tune: auto` counts as
    shown well."""
    refine_camera: bool = True
    """Whether turn, roll and shift of the camera are optimized with the code. The method `encoder`
    takes the camera that the encoder reads, where the code looks more like the portrait from it."""
    batch_size: int = Field(default=8, ge=1)
    """Number of portraits optimized at once; where memory does not suffice, it is halved."""
    min_psnr: float | None = None
    """Portraits below this PSNR, in dB, are rejected as `low_quality`; None keeps all."""
    min_identity: float | None = None
    """Portraits below this identity cosine are rejected as `low_quality`; None keeps all."""
    statistics_samples: int = Field(default=4096, ge=64)
    """Number of codes drawn to measure the spread of W."""
    seed: int = 0
    """Seed of the statistics of W and, with the record's id, of all that is drawn for a portrait:
    noise, first differences of weights, cameras of tuning."""
    weights: LossWeights = Field(default_factory=LossWeights)
    """Weights of the terms of the loss."""

    @property
    def options(self) -> dict[str, Any]:
        """Return the chosen method's own settings, as they were given."""
        return self.methods.get(self.method, {})
