"""Scores of a domain's versions on the probe set: candidate and champion alike."""

from dataclasses import dataclass, field
from functools import lru_cache
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
import torch

from itportrait.adapt import DomainSpec
from itportrait.bundle.warm import warm_bundle
from itportrait.errors import NoInputError
from itportrait.evaluate import (
    EvaluationProbeConfig,
    PortraitViews,
    ProbeBase,
    ProbeReport,
    ProbeTruth,
    StyleTarget,
    evaluate_style,
    true_stylizations,
)
from itportrait.geometry.camera import look_at_camera
from itportrait.image import decode, resize, to_tensor, to_uint8
from itportrait.io import uris
from itportrait.photos.decoding import decode_photo
from itportrait.photos.formats import PATTERNS, format_of_name
from itportrait.picture_sets.names import drawn_domain, is_drawn
from itportrait.portraits import ORBIT, sample_people
from itportrait.styles import read_style

if TYPE_CHECKING:
    from itportrait.generator import Generator

_PATTERNS_SHOWN = 6
_TRUTH_SEED = 90_001
"""Seed of the people in procedural truth, who are others than those of training data and
references."""


@dataclass(frozen=True)
class Scores:
    """Scores of some versions of one domain on the same probe set.

    Args:
        metrics: label of the version -> metric -> mean over the probe's draws.
        faces: label -> renders of the first probe codes, uint8 `[S, S, 3]`; `base` included.
        samples: label -> metric -> its value on each portrait, or on each draw where it is one of
            whole sets; in the same order for every label.
    """

    metrics: dict[str, dict[str, float]]
    faces: dict[str, list[np.ndarray]] = field(repr=False)
    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict, repr=False)

    def differences(self, label: str, other: str) -> dict[str, list[float]]:
        """Return the paired differences of two versions by metric; none if one was not scored."""
        ours, theirs = (self.samples.get(name, {}) for name in (label, other))
        return {
            name: [a - b for a, b in zip(ours[name], theirs[name], strict=True)]
            for name in ours.keys() & theirs.keys()
        }


@dataclass(frozen=True, kw_only=True)
class ScoreJob:
    """The versions to be scored, as plain data.

    Args:
        bundle: URI of the base model.
        spec: prompt of the target.
        references: aligned style pictures of the target, encoded.
        truth: see `truth_images`.
        styles: label of a version -> the bytes of its style's file.
        probe: the set.
        draws: number of draws of the set; KID is that of the first.
        pictures: probe faces to return.
    """

    bundle: str
    spec: DomainSpec
    references: tuple[bytes, ...] = field(default=(), repr=False)
    truth: str | None = None
    styles: dict[str, bytes] = field(repr=False)
    probe: EvaluationProbeConfig
    draws: int = 1
    pictures: int = 4


def score_job(job: ScoreJob, device: str) -> Scores:
    """Score on a device; models and renders of the base stay in this process for the next job."""
    probe = job.probe.model_dump_json()
    base = warm_base(job.bundle, device, probe)
    truth = None
    if job.truth is not None and is_drawn(job.truth):
        truth = warm_truth(job.bundle, device, probe, job.truth)
    return score_versions(job, base, truth)


@lru_cache(maxsize=2)
def warm_base(bundle: str, device: str, probe: str) -> ProbeBase:
    """Return the base generator on a probe, whose settings are JSON: rendered once a process."""
    config = EvaluationProbeConfig.model_validate_json(probe)
    return ProbeBase(warm_bundle(bundle, device), config)


@lru_cache(maxsize=16)
def warm_truth(bundle: str, device: str, probe: str, truth: str) -> ProbeTruth:
    """Return a drawn truth as the probe compares it, made once a process."""
    base = warm_base(bundle, device, probe)
    images = truth_images(truth, base.config, base.bundle.generator.image_resolution)
    assert images is not None
    return base.measure_truth(images)


def score_versions(job: ScoreJob, base: ProbeBase, truth: ProbeTruth | None = None) -> Scores:
    """Score styles of one domain against the base, all towards the same target.

    Args:
        job: styles, target and probe.
        base: the base on the job's probe, and the models that judge.
        truth: the job's truth, where it has been measured already.

    Raises:
        InvalidArgumentError: a style belongs to another base model.
        CheckpointError: a style cannot be read.
        NoInputError: the truth cannot be read.
    """
    bundle = base.bundle
    generator = bundle.generator
    target = _target(job, generator)
    images = None if truth else truth_images(job.truth, job.probe, generator.image_resolution)
    if images is not None:
        truth = base.measure_truth(images)
    scores = Scores({}, {"base": _pictures(base.base_views, job.pictures)})
    for label, data in job.styles.items():
        style = read_style(data, source=f"{label} of {job.spec.name}")
        style.check_base(bundle.model_id)
        prepared = style.with_models(bundle).prepare(generator)
        first = evaluate_style(base, prepared, target, truth=truth)
        draws = [base.draw(number) for number in range(1, job.draws)]
        reports = [first, *(evaluate_style(draw, prepared, target) for draw in draws)]
        scores.metrics[label] = _means(reports)
        scores.samples[label] = _samples(reports)
        scores.faces[label] = _pictures(first.views, job.pictures)
    return scores


def _means(reports: list[ProbeReport]) -> dict[str, float]:
    """Return the means over draws of what all draws have, and the first draw's KID."""
    each = [report.scalars() for report in reports]
    return each[0] | {
        name: fmean(values[name] for values in each)
        for name in each[0]
        if all(name in values for values in each)
    }


def _samples(reports: list[ProbeReport]) -> dict[str, list[float]]:
    samples = {"diversity": [report.diversity for report in reports]}
    for name in reports[0].portraits.values:
        values = torch.cat([report.portraits.values[name] for report in reports])
        samples[name] = [float(value) for value in values]
    return samples


def truth_images(truth: str | None, probe: EvaluationProbeConfig, size: int) -> torch.Tensor | None:
    """Return true pictures of a domain, `[K, 3, size, size]` in [-1, 1], or None.

    Args:
        truth: `mini:NAME` (procedural renders, as many as the probe's KID codes and from cameras
            spread alike), a folder or URI of aligned pictures, or None.
        probe: of the evaluation.
        size: pixels along each side.

    Raises:
        NoInputError: the folder holds no pictures.
        UnknownNameError: no such procedural domain.
    """
    if truth is None:
        return None
    if is_drawn(truth):
        name = drawn_domain(truth)
        return _drawn(name, probe.kid_count, probe.yaw_deg, probe.pitch_deg, size)
    photos = (decode_photo(uris.read_bytes(uri)) for uri in truth_files(truth))
    images = [to_tensor(photo)[None] for photo in photos]
    return torch.cat([resize(image, size) for image in images])


def truth_files(truth: str) -> list[str]:
    """Return the URIs of the pictures in a folder of true pictures.

    Raises:
        NoInputError: it is not there, or holds none.
    """
    place = uris.redact(truth)
    if not uris.exists(truth):
        raise NoInputError(f"truth: there is no folder {place}; check the path, or name mini:NAME")
    names = [name for name in uris.list_names(truth) if format_of_name(name) is not None]
    if not names:
        shown = " ".join(PATTERNS[:_PATTERNS_SHOWN])
        raise NoInputError(
            f"truth: no pictures ({shown} and {len(PATTERNS) - _PATTERNS_SHOWN} more) directly in "
            f"{place}; give a folder of aligned ones"
        )
    return [uris.join(truth, name) for name in names]


def _drawn(name: str, count: int, yaw_deg: float, pitch_deg: float, size: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(_TRUTH_SEED)
    spread = torch.deg2rad(torch.tensor([[yaw_deg], [pitch_deg]]))
    angles = (2 * torch.rand(2, count, generator=rng) - 1) * spread
    cameras = look_at_camera(angles[0], angles[1], ORBIT)
    return true_stylizations(name, sample_people(count, _TRUTH_SEED), cameras, size)


def _target(job: ScoreJob, generator: "Generator") -> StyleTarget:
    references = None
    if job.references:
        pictures = [to_tensor(decode(data))[None] for data in job.references]
        size = generator.image_resolution
        references = torch.cat([resize(picture, size) for picture in pictures])
        references = references.to(generator.device)
    prompt = job.spec.prompt if job.spec.uses_text else None
    return StyleTarget(prompt, job.spec.source_prompt, references)


def _pictures(views: PortraitViews, count: int) -> list[np.ndarray]:
    return list(to_uint8(views.own.final_image[:count]))
