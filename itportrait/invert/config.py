"""Configuration of the invert stage."""

from typing import Literal

from pydantic import Field

from itportrait.config import Settings


class LossWeights(Settings):
    """What the optimization minimizes; every term is a mean, so that sizes do not matter."""

    l2: float = Field(default=4.0, ge=0)
    """Squared error of the image in [-1, 1]."""
    l1: float = Field(default=0.5, ge=0)
    """Absolute error of the image in [-1, 1]."""
    raw: float = Field(default=0.25, ge=0)
    """Absolute error of the neural rendering before super-resolution: keeps the shape honest."""
    perceptual: float = Field(default=0.5, ge=0)
    """Distance of the bundle's perceptual network."""
    identity: float = Field(default=0.0, ge=0)
    """1 - cosine of the bundle's identity network."""
    prior: float = Field(default=0.01, ge=0)
    """Squared distance from `w_avg`, in standard deviations of W: plausible codes turn well."""
    spread: float = Field(default=0.03, ge=0)
    """Variance of the W+ rows, in standard deviations of W: near W, novel views hold."""
    camera: float = Field(default=0.02, ge=0)
    """Squared change of the camera, in units of its expected errors (`camera.py`)."""


class InvertConfig(Settings):
    """How portraits become W+ codes."""

    method: str = "w_plus"
    """Name in the registry of inversion methods: `w_plus`, `w`."""
    start: Literal["auto", "encoder", "mean"] = "auto"
    """First code: the bundle's encoder, `w_avg`, or (auto) the encoder where there is one."""
    steps: int = Field(default=100, ge=1)
    """Upper bound of optimization steps."""
    w_share: float = Field(default=0.3, ge=0, le=1)
    """Share of the steps in W before W+ opens; only with `start: mean`."""
    lr: float = Field(default=0.1, gt=0)
    """Step of Adam in standard deviations of W."""
    camera_lr: float = Field(default=0.1, gt=0)
    """Step of Adam in expected errors of the camera."""
    warm_up: float = Field(default=0.05, ge=0, le=1)
    """Share of the steps over which the rate rises linearly."""
    ramp_down: float = Field(default=0.25, ge=0, le=1)
    """Share of the steps over which the rate falls to zero by a cosine."""
    noise: float = Field(default=0.05, ge=0)
    """Noise on the code at the first step, in standard deviations of W (`start: mean` only)."""
    noise_until: float = Field(default=0.5, gt=0, le=1)
    """Share of the steps after which the noise is zero (it falls by a square)."""
    early_stop: bool = True
    """Whether a portrait that has converged ramps down early and leaves the batch."""
    min_gain: float = Field(default=0.02, ge=0)
    """Relative fall of the loss within `patience` steps below which a portrait has converged."""
    patience: int = Field(default=20, ge=1)
    """Steps in which `min_gain` must be reached."""
    target_psnr: float | None = None
    """PSNR in dB of the input view at which a portrait has converged; None for no such rule."""
    refine_camera: bool = True
    """Whether turn, roll and shift of the camera are optimized with the code."""
    batch_size: int = Field(default=8, ge=1)
    """Portraits optimized at once; where memory does not suffice, the batch is halved."""
    min_psnr: float | None = None
    """Portraits below this PSNR in dB are rejected (`low_quality`); None keeps all."""
    min_identity: float | None = None
    """Portraits below this identity cosine are rejected (`low_quality`); None keeps all."""
    statistics_samples: int = Field(default=4096, ge=64)
    """Codes drawn to measure the spread of W."""
    seed: int = 0
    """Seed of the noise (with the record's id) and of the statistics of W."""
    weights: LossWeights = Field(default_factory=LossWeights)
    """Weights of the loss."""
