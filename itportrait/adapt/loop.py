"""The adaptation loop, apart from any trainer: one process of one or many, resumable anywhere."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from itportrait.adapt.config import AdaptConfig, check_fit, resolve
from itportrait.adapt.domain import DomainSpec
from itportrait.adapt.fingerprint import adapt_fingerprint
from itportrait.adapt.methods import METHODS, AdaptationMethod, MethodContext
from itportrait.adapt.probe import StepProbe
from itportrait.adapt.references import (
    Reference,
    judging_references,
    load_references,
    open_set,
)
from itportrait.adapt.selection import Selection
from itportrait.adapt.settings import MethodConfig
from itportrait.adapt.workers import Workers
from itportrait.bundle import Bundle
from itportrait.errors import CheckpointError
from itportrait.picture_sets import PictureSet
from itportrait.styles import PreparedGenerator, Style

logger = logging.getLogger(__name__)

STATE_FORMAT = 3
"""Version of the form of a run's state. It is raised when the form changes; interrupted runs then
start anew."""


@dataclass(frozen=True)
class AdaptReport:
    """What a run tells between steps.

    Args:
        step: steps done.
        metrics: probe scores under their names, training terms under `train/`.
        images: renders of the probe set, uint8 `[S, S, 3]`, always in the same order.
        kept: whether this step is the one kept so far.
        state: call it for a checkpoint (copies; expensive, so only when it is stored).
        last: no further report follows.
    """

    step: int
    metrics: dict[str, float]
    images: list[np.ndarray] = field(repr=False)
    kept: bool
    state: Callable[[], dict[str, Any]] = field(repr=False)
    last: bool = False


@dataclass(frozen=True)
class AdaptResult:
    """An adapted domain.

    Args:
        style: the result.
        others: what else the method made at the same step, by name, such as the style of the
            image-adapted copy in mode `image_text`.
        curve: all probes, in order.
        notes: what the method says of the run, such as the quality of its pairs.
        step: number of steps after which the style was kept.
        metrics: of the kept step, `view_consistency` and `seconds` included.
        images: renders of the probe set by the result, uint8 `[S, S, 3]`.
        references: the style pictures that it was scored against: the references, else a sample of
            the set.
    """

    style: Style
    others: dict[str, Style]
    curve: list[dict[str, float]]
    notes: dict[str, Any]
    step: int
    metrics: dict[str, float]
    images: list[np.ndarray] = field(repr=False)
    references: list[Reference] = field(default_factory=list[Reference], repr=False)


def adapt_domain(
    bundle: Bundle,
    spec: DomainSpec,
    config: AdaptConfig | None = None,
    *,
    references: Sequence[Reference] | None = None,
    pictures: PictureSet | None = None,
    fingerprint: str | None = None,
    workers: Workers | None = None,
    resume_state: dict[str, Any] | None = None,
    on_start: Callable[[AdaptReport], None] | None = None,
    on_report: Callable[[AdaptReport], None] | None = None,
    on_step: Callable[[int, int], None] = lambda step, steps: None,
) -> AdaptResult:
    """Adapt a base model to a style domain.

    Args:
        bundle: the base model and the models that guide and judge; unchanged.
        spec: the domain.
        config: how; the domain's `options` are laid over it.
        references: aligned style images with their cameras; None reads `spec.references`, which
            must then be aligned pictures, and estimates the cameras.
        pictures: the set of `spec.pictures`; None opens it.
        fingerprint: what the result is to be known by; None: the digest of these arguments.
        workers: those that adapt it together, this process among them; None: it is alone.
        resume_state: a report's `state()`; the run continues bit-identically.
        on_start: called with the base generator's scores, at step 0; not in a resumed run.
        on_report: called after every probe, on every rank.
        on_step: called before the first step and after every one, with the steps done and the
            steps at most.

    Raises:
        InvalidArgumentError: options or references do not fit, or the method takes no such input.
        UnknownNameError: no such method or preset of layers.
        CheckpointError: the state is of another domain, configuration, base model or release.
        NoInputError: a reference cannot be read, or the set of pictures is no aligned table.
    """
    config = config or AdaptConfig()
    check_fit(spec)
    if not spec.uses_images:
        references = []
    elif references is None:
        references = load_references(spec.references)
    if pictures is None:
        pictures = open_set(spec, bundle.generator.image_resolution)
    digest = fingerprint or adapt_fingerprint(
        spec,
        config,
        bundle.model_id,
        references,
        set_digest="" if pictures is None else pictures.digest,
    )
    settings = resolve(spec, config)
    context = MethodContext(
        bundle, spec, settings, list(references), workers or Workers(), pictures
    )
    with bundle.generator.computing_in(settings.precision):
        run = _Run(context, digest, resume_state)
        if on_start is not None and run.step == 0:
            on_start(run.baseline())
        run.train(on_report, on_step)
    with bundle.generator.precision.applied():
        return run.finish()


class _Run:
    """The state of one adaptation."""

    def __init__(
        self,
        context: MethodContext[MethodConfig],
        fingerprint: str,
        resume_state: Mapping[str, Any] | None,
    ) -> None:
        self.spec, self.config, self.workers = context.spec, context.config, context.workers
        self.steps = self.config.run_steps(self.spec)
        self.bundle, self.fingerprint = context.bundle, fingerprint
        self.pictures = context.pictures
        self.precision = context.bundle.generator.precision
        self.references = judging_references(context.references, context.pictures)
        self.step, self.seconds = 0, 0.0
        self._started = time.perf_counter()
        state = None if resume_state is None else self._checked(resume_state)
        method = METHODS.get(self.spec.method)
        self.method: AdaptationMethod[Any] = method(context, state["method"] if state else None)
        self.selection = Selection(self.config.selection)
        self.probe = StepProbe(context.bundle, self.spec, self.config, self.references)
        if state:
            self.step, self.seconds = state["step"], state["seconds"]
            self.selection.load_state_dict(state["selection"])

    def _checked(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        if state.get("format") != STATE_FORMAT or state.get("fingerprint") != self.fingerprint:
            raise CheckpointError(
                f"the checkpoint has fingerprint {state.get('fingerprint')}, and domain "
                f"{self.spec.name!r} with this configuration and base model has "
                f"{self.fingerprint}; start it anew"
            )
        return state

    def elapsed(self) -> float:
        """Return seconds of work, those before a resume included."""
        return self.seconds + time.perf_counter() - self._started

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a resumed run needs: tensors, numbers, texts, lists, dicts."""
        return {
            "format": STATE_FORMAT,
            "fingerprint": self.fingerprint,
            "step": self.step,
            "seconds": self.elapsed(),
            "method": self.method.state_dict(),
            "selection": self.selection.state_dict(),
        }

    def baseline(self) -> AdaptReport:
        """Score the base generator, whatever the method; it takes no part in the selection."""
        scores, images = self.probe.score(PreparedGenerator(self.bundle.generator))
        return AdaptReport(0, scores, self.probe.pictures(images), False, self.state_dict, False)

    def train(
        self,
        on_report: Callable[[AdaptReport], None] | None,
        on_step: Callable[[int, int], None],
    ) -> None:
        """Run to the last step, or until nothing improves."""
        terms: dict[str, list[float]] = defaultdict(list)
        if self.steps != self.spec.steps:
            name, own, asked = self.spec.name, self.steps, self.spec.steps
            logger.info("%s: %s takes %d steps, not %d", name, self.spec.method, own, asked)
        on_step(self.step, self.steps)
        while self.step < self.steps and not self.selection.exhausted:
            for name, value in self.method.step(self.step).items():
                terms[name].append(value)
            self.step += 1
            on_step(self.step, self.steps)
            if self.step % self.config.probe.every == 0 or self.step == self.steps:
                self._report(terms, on_report)
                terms.clear()

    def _report(
        self, terms: dict[str, list[float]], on_report: Callable[[AdaptReport], None] | None
    ) -> None:
        scores, images = self.probe.score(self.method.candidate())
        scores = self.workers.from_first(scores)  # other machines round otherwise
        kept = self.selection.add(self.step, scores, self.method.tensors())
        means = {f"train/{name}": sum(values) / len(values) for name, values in terms.items()}
        logger.info(
            "%s step %d/%d: style %.3f identity %.3f depth variance %.2f%s",
            self.spec.name,
            self.step,
            self.steps,
            scores["style"],
            scores["identity"],
            scores["depth_variance"],
            " (kept)" if kept else "",
        )
        if on_report is not None:
            last = self.step >= self.steps or self.selection.exhausted
            pictures = self.probe.pictures(images)
            metrics = scores | means
            on_report(AdaptReport(self.step, metrics, pictures, kept, self.state_dict, last))

    def finish(self) -> AdaptResult:
        """Make the styles of the kept step and judge the result, as those of the bundle compute."""
        kept, notes = self.selection.kept, self.method.notes()
        if self.pictures is not None:
            notes = {**notes, "pictures": self.pictures.summary()}
        if self.config.precision != "fp32":
            notes = {**notes, "precision": self.precision.used}
        assert kept is not None  # steps >= 1, and the last step is always probed
        info = {
            "spec": self.spec.portable(),
            "fingerprint": self.fingerprint,
            "step": int(kept["step"]),
            **notes,
        }
        others = self.method.styles(self.selection.tensors, info)
        style = others.pop(next(iter(others)))
        metrics, images = self.probe.final(
            style.with_models(self.bundle).prepare(self.bundle.generator)
        )
        metrics |= {"seconds": self.elapsed()}
        violation = self.selection.violation(metrics)
        if violation > 0:
            logger.warning("%s: no step kept identity and depth above their floors", self.spec.name)
        style.info.update(metrics=metrics, fit=violation == 0)
        return AdaptResult(
            style,
            others,
            self.selection.curve,
            notes,
            int(kept["step"]),
            metrics,
            self.probe.pictures(images),
            self.references,
        )
