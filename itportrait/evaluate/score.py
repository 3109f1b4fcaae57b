"""Score a style against the base generator on the probe set; the base is rendered once for all."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import torch
from torch import Tensor

from itportrait import metrics
from itportrait.bundle import Bundle
from itportrait.evaluate.config import EvaluationProbeConfig
from itportrait.evaluate.distances import Distances, measure_distances
from itportrait.evaluate.features import FeatureNetwork, feature_network
from itportrait.evaluate.portraits import PortraitScores, score_portraits
from itportrait.evaluate.probe import ProbeSet
from itportrait.evaluate.views import PortraitViews, render_own, render_views
from itportrait.metrics import StyleTarget
from itportrait.styles import PreparedGenerator, PreparedStyle

NO_TRUTH = "the domain has no true pictures"


class ProbeBase:
    """What every style is compared with: the base generator on the probe set.

    Each part is rendered when it is first needed and kept, so that one of these serves any number
    of styles and domains.

    Args:
        bundle: the base and the models that judge.
        config: of the probe.
        network: whose features KID and FID compare; default: the bundle's perceptual network.
    """

    def __init__(
        self,
        bundle: Bundle,
        config: EvaluationProbeConfig,
        *,
        network: FeatureNetwork | None = None,
    ) -> None:
        self.bundle, self.config = bundle, config
        self.network = network or feature_network(bundle)
        self.probe = ProbeSet.of(bundle, config)
        self.style = PreparedGenerator(bundle.generator)
        self._draws: dict[int, ProbeBase] = {0: self}

    def draw(self, number: int) -> "ProbeBase":
        """Return another draw of the probe set, kept as this one is; number 0 is this one."""
        if number not in self._draws:
            config = self.config.model_copy(update={"seed": self.config.seed + number})
            self._draws[number] = ProbeBase(self.bundle, config, network=self.network)
        return self._draws[number]

    def views(self, style: PreparedStyle) -> PortraitViews:
        """Render the probe's portraits in a style."""
        return render_views(
            style,
            self.probe.codes,
            self.probe.orbit,
            side_deg=self.config.side_deg,
            batch_size=self.config.batch_size,
        )

    def features_of(self, style: PreparedStyle) -> Tensor:
        """Return the features `[kid_count, D]` of the portraits for KID and FID, in a style."""
        images = render_own(style, self.probe.kid_codes, batch_size=self.config.batch_size)
        return self.network.features(images, batch_size=self.config.batch_size)

    @cached_property
    def base_views(self) -> PortraitViews:
        """The probe's portraits as the base renders them."""
        return self.views(self.style)

    @cached_property
    def diversity(self) -> float:
        """Diversity of the base's portraits."""
        return metrics.diversity(self.base_views.frontal, self.bundle.perceptual)

    @cached_property
    def features(self) -> Tensor:
        """Features of the base's portraits, see `features_of`."""
        return self.features_of(self.style)

    def measure_truth(self, images: Tensor) -> "ProbeTruth":
        """Measure how far the base is from true pictures of a domain, `[K, 3, H, W]` in [-1, 1]."""
        images = images.to(self.probe.codes.device)
        features = self.network.features(images, batch_size=self.config.batch_size)
        return ProbeTruth(features, self.distances(features, self.features))

    def distances(self, real: Tensor, fake: Tensor) -> Distances:
        """Return KID and, from enough pictures, FID of two sets of features."""
        config = self.config
        return measure_distances(
            real,
            fake,
            subsets=config.kid_subsets,
            subset_size=config.kid_subset_size,
            seed=config.seed,
        )


@dataclass(frozen=True)
class ProbeTruth:
    """True pictures of a domain as the probe compares them, from `ProbeBase.measure_truth`.

    Args:
        features: of the true pictures.
        base: distances of the base's renders from them.
    """

    features: Tensor = field(repr=False)
    base: Distances


@dataclass(frozen=True)
class ProbeReport:
    """The numbers of one evaluation; None where the domain has no prompt, reference or truth."""

    identity: float
    """Cosine of identity features between the base render and the stylized render."""
    view_consistency: float
    """Identity cosine of the stylized frontal view with the views at +-30 deg."""
    depth_distance: float
    """Mean absolute difference of depth to the base, in world units."""
    depth_variance: float
    """Ratio of the depth's variance to the base's: flattening shows below 1."""
    diversity: float
    """Mean pairwise perceptual distance over identities."""
    diversity_base: float
    """Mean pairwise perceptual distance over identities in renders of the base generator."""
    portraits: PortraitScores = field(repr=False)
    """Scores of each identity by itself, in the order of the probe set."""
    views: PortraitViews = field(repr=False)
    """Renders of the probe's identities."""
    features: str = ""
    """Name of the network whose features KID and FID compare."""
    clip_direction: float | None = None
    """Cosine of the pictures' change with the words' change: cos(E(T) - E(P), E_t(prompt) -
    E_t(source))."""
    clip_image: float | None = None
    """Cosine of image features to the references."""
    clip_image_gain: float | None = None
    """Difference of `clip_image` to that of the base generator."""
    kid: float | None = None
    """KID of the stylized renders against true images of the domain."""
    kid_base: float | None = None
    """KID of the base renders against the same true images."""
    kid_ratio: float | None = None
    """`kid / kid_base`: at most 0.5 where the adaptation has learned the domain. None where
    `kid_base` is not above 0: the base is as near to the true images as they are to each other."""

    fid: float | None = None
    """FID of the stylized renders against the same true images; None below a sensible number."""
    fid_base: float | None = None
    """FID of the base renders against the same true images."""
    reasons: Mapping[str, str] = field(default_factory=dict[str, str])
    """Why a number is None, by its name."""

    def scalars(self) -> dict[str, float]:
        """Return the numbers that exist, by name."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, float)}


@torch.no_grad()
def evaluate_style(
    base: ProbeBase,
    style: PreparedStyle,
    target: StyleTarget,
    *,
    truth: ProbeTruth | None = None,
) -> ProbeReport:
    """Score a style.

    Args:
        base: the probe; one serves many styles.
        style: prepared for the base generator.
        target: prompt and references of the domain.
        truth: true pictures of the domain, of other people; None leaves KID and FID out.

    Returns:
        The report; means over the probe's identities.
    """
    views = base.views(style)
    portraits = score_portraits(base.bundle, views, base.base_views, target)
    means = portraits.means()
    reasons = {name: why for name, why in portraits.reasons.items() if name.startswith("clip")}
    report = ProbeReport(
        identity=means["identity"],
        view_consistency=means["view_consistency"],
        depth_distance=means["depth_distance"],
        depth_variance=means["depth_variance"],
        diversity=metrics.diversity(views.frontal, base.bundle.perceptual),
        diversity_base=base.diversity,
        clip_direction=means.get("clip_direction"),
        clip_image=means.get("clip_image"),
        clip_image_gain=means.get("clip_image_gain"),
        portraits=portraits,
        views=views,
        reasons=reasons | dict.fromkeys(("kid", "kid_ratio", "fid"), NO_TRUTH),
    )
    if truth is None:
        return report
    found, plain = base.distances(truth.features, base.features_of(style)), truth.base
    values, missing = found.against(plain.kid)
    return replace(
        report,
        kid=found.kid,
        kid_base=plain.kid,
        kid_ratio=values.get("kid_ratio"),
        fid=found.fid,
        fid_base=plain.fid,
        features=base.network.name,
        reasons=reasons | missing,
    )
