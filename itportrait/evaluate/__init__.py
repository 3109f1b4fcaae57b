"""Evaluate: score styles against their base generator, portrait by portrait and set by set."""

from typing import TYPE_CHECKING

from itportrait.lazy import lazy_exports

if TYPE_CHECKING:
    from itportrait.evaluate.config import EvaluationProbeConfig
    from itportrait.evaluate.distances import (
        Distances,
        KidScore,
        fewest_for_fid,
        fid,
        kid,
        measure_distances,
    )
    from itportrait.evaluate.drawn import draw_people, held_out, true_stylizations, true_views
    from itportrait.evaluate.features import FeatureNetwork, feature_network
    from itportrait.evaluate.portraits import PortraitScores, score_portraits
    from itportrait.evaluate.probe import ProbeSet
    from itportrait.evaluate.score import (
        ProbeBase,
        ProbeReport,
        ProbeTruth,
        evaluate_style,
    )
    from itportrait.evaluate.sets import SetJudge
    from itportrait.evaluate.views import PortraitViews, render_own, render_views
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
    "Distances",
    "EvaluationProbeConfig",
    "FeatureNetwork",
    "KidScore",
    "PortraitScores",
    "PortraitViews",
    "ProbeBase",
    "ProbeReport",
    "ProbeSet",
    "ProbeTruth",
    "SetJudge",
    "StyleTarget",
    "clip_direction",
    "clip_image",
    "depth_distance",
    "depth_variance",
    "depth_variance_ratio",
    "diversity",
    "draw_people",
    "evaluate_style",
    "feature_network",
    "fewest_for_fid",
    "fid",
    "held_out",
    "identity",
    "kid",
    "measure_distances",
    "psnr",
    "render_own",
    "render_views",
    "score_portraits",
    "true_stylizations",
    "true_views",
    "view_consistency",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "config": "EvaluationProbeConfig",
        "distances": "Distances KidScore fewest_for_fid fid kid measure_distances",
        "drawn": "draw_people held_out true_stylizations true_views",
        "features": "FeatureNetwork feature_network",
        "portraits": "PortraitScores score_portraits",
        "probe": "ProbeSet",
        "score": "ProbeBase ProbeReport ProbeTruth evaluate_style",
        "sets": "SetJudge",
        "views": "PortraitViews render_own render_views",
        "itportrait.metrics": "StyleTarget clip_direction clip_image depth_distance depth_variance "
        "depth_variance_ratio diversity identity psnr view_consistency",
    },
)
