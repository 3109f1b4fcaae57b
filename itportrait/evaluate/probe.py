"""Score a style against the base generator on a fixed probe set: the same for every domain."""

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from itportrait import metrics
from itportrait.bundle import Bundle
from itportrait.evaluate.config import EvaluationProbeConfig
from itportrait.evaluate.kid import kid
from itportrait.generator import Rendering
from itportrait.geometry.camera import frontal_camera, look_at_camera
from itportrait.geometry.orbit import Orbit
from itportrait.metrics import StyleTarget
from itportrait.styles import Codes, PreparedGenerator, PreparedStyle, join_renderings


@dataclass(frozen=True)
class ProbeSet:
    """Codes with their cameras, made once per base generator.

    Args:
        codes: for all metrics but KID.
        kid_codes: for KID.
        orbit: of the family, for further views.
    """

    codes: Codes
    kid_codes: Codes
    orbit: Orbit

    @classmethod
    @torch.no_grad()
    def of(cls, bundle: Bundle, config: EvaluationProbeConfig) -> "ProbeSet":
        """Draw the set from the seed; the same on every device.

        Args:
            bundle: the base, whose mapping makes the codes, and its family's cameras.
            config: of the probe.
        """
        generator, orbit = bundle.generator, bundle.orbit
        rng = torch.Generator().manual_seed(config.seed)
        parts: list[Codes] = []
        for count in (config.count, config.kid_count):
            z = torch.randn(count, generator.z_dim, generator=rng)
            angles = (2 * torch.rand(2, count, generator=rng) - 1) * torch.tensor(
                [[math.radians(config.yaw_deg)], [math.radians(config.pitch_deg)]]
            )
            device = generator.device
            ws = generator.mapping(
                z.to(device),
                frontal_camera(orbit, device).expand(count, -1),
                truncation_psi=config.truncation_psi,
            )
            parts.append(Codes(ws, look_at_camera(angles[0], angles[1], orbit).to(device)))
        return cls(parts[0], parts[1], orbit)


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
    clip_direction: float | None = None
    """Cosine of the pictures' change with the words' change: cos(E(T) - E(P), E_t(prompt) -
    E_t(source))."""
    clip_image: float | None = None
    """Cosine of image features to the references."""
    clip_image_gain: float | None = None
    """Difference of `clip_image` to that of the base generator."""
    kid: float | None = None
    """KID of the stylized renders against true images of the domain (perceptual features)."""
    kid_base: float | None = None
    """KID of the base renders against the same true images."""
    kid_ratio: float | None = None
    """`kid / kid_base`: at most 0.5 where the adaptation has learned the domain."""

    def scalars(self) -> dict[str, float]:
        """Return the numbers that exist, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@torch.no_grad()
def evaluate_style(
    bundle: Bundle,
    style: PreparedStyle,
    target: StyleTarget,
    *,
    probe: ProbeSet,
    config: EvaluationProbeConfig,
    truth: Tensor | None = None,
) -> ProbeReport:
    """Score a style.

    Args:
        bundle: base generator and perception models.
        style: prepared for the base generator.
        target: prompt and references of the domain.
        probe: of the base generator.
        config: that the probe was made with.
        truth: `[K, 3, H, W]` true images of the domain in [-1, 1], of other people; None leaves
            KID out.

    Returns:
        The report; means over the probe's identities.
    """
    codes, size = probe.codes, config.batch_size
    yaws = [math.radians(yaw_deg) for yaw_deg in (0.0, -config.side_deg, config.side_deg)]
    sides = [look_at_camera(yaw, 0.0, probe.orbit) for yaw in yaws]
    front = frontal_camera(probe.orbit, codes.device)
    base = PreparedGenerator(bundle.generator)
    plain, plain_front = _renders(base, codes, size, front)
    styled, styled_front, *views = _renders(style, codes, size, front, *sides)
    turned = torch.stack([view.final_image for view in views], 1)
    values: dict[str, float] = {
        "identity": _mean(metrics.identity(styled.final_image, plain.final_image, bundle.identity)),
        "depth_distance": _mean(
            metrics.depth_distance(styled.image_depth, plain.image_depth, plain.image_alpha)
        ),
        "depth_variance": _mean(
            metrics.depth_variance_ratio(
                styled.image_depth, plain.image_depth, styled.image_alpha, plain.image_alpha
            )
        ),
        "view_consistency": _mean(metrics.view_consistency(turned, bundle.identity)),
    }
    for name, each in (("diversity", styled_front), ("diversity_base", plain_front)):
        values[name] = metrics.diversity(each.final_image, bundle.perceptual)
    values |= _guidance(bundle, styled.final_image, plain.final_image, target)
    if truth is not None:
        values |= _kid(bundle, style, probe, config, truth)
    return ProbeReport(**values)


def _guidance(
    bundle: Bundle, styled: Tensor, plain: Tensor, target: StyleTarget
) -> dict[str, float]:
    """Return how near the pictures are to the prompt and the references, where there are any."""
    values: dict[str, float] = {}
    if target.prompt is not None:
        values["clip_direction"] = _mean(
            metrics.clip_direction(
                styled,
                plain,
                bundle.clips,
                prompt=target.prompt,
                source_prompt=target.source_prompt,
            )
        )
    if target.references is not None:
        references = target.references.to(styled.device)
        values["clip_image"] = _mean(metrics.clip_image(styled, references, bundle.clips))
        values["clip_image_gain"] = values["clip_image"] - _mean(
            metrics.clip_image(plain, references, bundle.clips)
        )
    return values


def _renders(
    style: PreparedStyle, codes: Codes, batch_size: int, *cameras: Tensor
) -> list[Rendering]:
    """Return what the portraits' own cameras see, and then each of the cameras `[1, 25]`.

    Portraits are bound once for all views: a style may fit something to each of them.
    """
    views: list[list[Rendering]] = [[] for _ in range(1 + len(cameras))]
    for part in codes.split(batch_size):
        bound = style.bind(part)
        for place, camera in zip(views, (part.cameras, *cameras), strict=True):
            place.append(bound.render(camera.to(part.ws).expand(len(part), -1)))
    return [join_renderings(parts) for parts in views]


def _kid(
    bundle: Bundle,
    style: PreparedStyle,
    probe: ProbeSet,
    config: EvaluationProbeConfig,
    truth: Tensor,
) -> dict[str, float]:
    real = _embed(bundle, truth.to(probe.codes.device), config.batch_size)
    scores: list[float] = []
    for each in (style, PreparedGenerator(bundle.generator)):
        images = _renders(each, probe.kid_codes, config.batch_size)[0].final_image
        scores.append(
            kid(
                real,
                _embed(bundle, images, config.batch_size),
                subsets=config.kid_subsets,
                subset_size=config.kid_subset_size,
                seed=config.seed,
            ).mean
        )
    ratio = scores[0] / scores[1] if scores[1] > 0 else math.inf
    return {"kid": scores[0], "kid_base": scores[1], "kid_ratio": ratio}


def _embed(bundle: Bundle, images: Tensor, batch_size: int) -> Tensor:
    starts = range(0, len(images), batch_size)
    parts = [bundle.perceptual.embed(images[start : start + batch_size]) for start in starts]
    return torch.cat(parts)


def _mean(values: Tensor) -> float:
    return float(values.mean())
