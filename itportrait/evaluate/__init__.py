"""Evaluate: score a style against its base generator on a fixed probe set."""

from itportrait.evaluate.config import EvaluationProbeConfig
from itportrait.evaluate.kid import KidScore, kid, polynomial_mmd
from itportrait.evaluate.probe import ProbeReport, ProbeSet, evaluate_style
from itportrait.metrics import (
    StyleTarget,
    clip_direction,
    clip_image,
    depth_distance,
    depth_variance,
    depth_variance_ratio,
    diversity,
    identity,
    psnr,
    view_consistency,
)

__all__ = [
    "EvaluationProbeConfig",
    "KidScore",
    "ProbeReport",
    "ProbeSet",
    "StyleTarget",
    "clip_direction",
    "clip_image",
    "depth_distance",
    "depth_variance",
    "depth_variance_ratio",
    "diversity",
    "evaluate_style",
    "identity",
    "kid",
    "polynomial_mmd",
    "psnr",
    "view_consistency",
]
