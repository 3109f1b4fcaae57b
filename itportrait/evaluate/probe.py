"""Score an adapted generator against its base on a fixed probe set: the same for every domain."""

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from itportrait import metrics
from itportrait.evaluate.config import ProbeConfig
from itportrait.evaluate.kid import kid
from itportrait.geometry.camera import frontal_camera, look_at_camera
from itportrait.metrics import StyleTarget


@dataclass(frozen=True)
class ProbeSet:
    """Codes and cameras, made once per base generator.

    Args:
        ws: `[N, num_ws, w_dim]` for all metrics but KID.
        cameras: `[N, 25]`.
        kid_ws: `[M, num_ws, w_dim]`.
        kid_cameras: `[M, 25]`.
    """

    ws: Tensor
    cameras: Tensor
    kid_ws: Tensor
    kid_cameras: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, generator, config: ProbeConfig) -> "ProbeSet":
        """Draw the set from the seed; the same on every device.

        Args:
            generator: the base; its mapping makes the codes.
            config: of the probe.
        """
        rng = torch.Generator().manual_seed(config.seed)
        parts = []
        for count in (config.count, config.kid_count):
            z = torch.randn(count, generator.z_dim, generator=rng)
            angles = (2 * torch.rand(2, count, generator=rng) - 1) * torch.tensor(
                [[math.radians(config.yaw_deg)], [math.radians(config.pitch_deg)]]
            )
            device = generator.w_avg.device
            ws = generator.mapping(
                z.to(device),
                frontal_camera(device=device).expand(count, -1),
                truncation_psi=config.truncation_psi,
            )
            parts += [ws, look_at_camera(angles[0], angles[1]).to(device)]
        return cls(*parts)


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
def evaluate_adapted(
    bundle,
    adapted,
    target: StyleTarget,
    *,
    probe: ProbeSet,
    config: ProbeConfig,
    truth: Tensor | None = None,
) -> ProbeReport:
    """Score an adapted generator.

    Args:
        bundle: base generator and perception models.
        adapted: the adapted generator, on the same device.
        target: prompt and references of the domain.
        probe: of the base generator.
        config: that the probe was made with.
        truth: `[K, 3, H, W]` true images of the domain in [-1, 1], of other people; None leaves
            KID out.

    Returns:
        The report; means over the probe's identities.
    """
    base = bundle.generator
    plain = _renders(base, probe.ws, probe.cameras, config.batch_size)
    styled = _renders(adapted, probe.ws, probe.cameras, config.batch_size)
    values: dict[str, float] = {
        "identity": _mean(metrics.identity(styled.image, plain.image, bundle.identity)),
        "depth_distance": _mean(metrics.depth_distance(styled.depth, plain.depth, plain.alpha)),
        "depth_variance": _mean(
            metrics.depth_variance_ratio(styled.depth, plain.depth, styled.alpha, plain.alpha)
        ),
        "view_consistency": _mean(_side_views(bundle, adapted, probe, config)),
    }
    frontal = frontal_camera(device=probe.ws.device).expand(len(probe.ws), -1)
    for name, generator in (("diversity", adapted), ("diversity_base", base)):
        images = _renders(generator, probe.ws, frontal, config.batch_size).image
        values[name] = metrics.diversity(images, bundle.perceptual)
    if target.prompt is not None:
        values["clip_direction"] = _mean(
            metrics.clip_direction(
                styled.image,
                plain.image,
                bundle.clips,
                prompt=target.prompt,
                source_prompt=target.source_prompt,
            )
        )
    if target.references is not None:
        references = target.references.to(probe.ws.device)
        values["clip_image"] = _mean(metrics.clip_image(styled.image, references, bundle.clips))
        values["clip_image_gain"] = values["clip_image"] - _mean(
            metrics.clip_image(plain.image, references, bundle.clips)
        )
    if truth is not None:
        values |= _kid(bundle, adapted, probe, config, truth)
    return ProbeReport(**values)


@dataclass(frozen=True)
class _Renders:
    image: Tensor
    depth: Tensor
    alpha: Tensor


def _renders(generator, ws: Tensor, cameras: Tensor, batch_size: int) -> _Renders:
    parts = [
        generator.synthesize(codes, views)
        for codes, views in zip(ws.split(batch_size), cameras.split(batch_size), strict=True)
    ]
    return _Renders(
        torch.cat([part.image for part in parts]),
        torch.cat([part.image_depth for part in parts]),
        torch.cat([part.image_alpha for part in parts]),
    )


def _side_views(bundle, adapted, probe: ProbeSet, config: ProbeConfig) -> Tensor:
    views = []
    for yaw_deg in (0.0, -config.side_deg, config.side_deg):
        camera = look_at_camera(math.radians(yaw_deg), 0.0).to(probe.ws.device)
        cameras = camera.expand(len(probe.ws), -1)
        views.append(_renders(adapted, probe.ws, cameras, config.batch_size).image)
    return metrics.view_consistency(torch.stack(views, 1), bundle.identity)


def _kid(bundle, adapted, probe: ProbeSet, config: ProbeConfig, truth: Tensor) -> dict[str, float]:
    real = _embed(bundle, truth.to(probe.ws.device), config.batch_size)
    scores = []
    for generator in (adapted, bundle.generator):
        images = _renders(generator, probe.kid_ws, probe.kid_cameras, config.batch_size).image
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


def _embed(bundle, images: Tensor, batch_size: int) -> Tensor:
    return torch.cat([bundle.perceptual.embed(part) for part in images.split(batch_size)])


def _mean(values: Tensor) -> float:
    return float(values.mean())
