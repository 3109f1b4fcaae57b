"""The adaptation loop, apart from any trainer: one process of one or many, resumable anywhere."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from itportrait.adapt.config import AdaptConfig, DomainSpec, resolve
from itportrait.adapt.fingerprint import adapt_fingerprint
from itportrait.adapt.methods import METHODS, AdaptationMethod, MethodContext
from itportrait.adapt.methods.base import with_weights
from itportrait.adapt.probe import Probe
from itportrait.adapt.references import Reference, load_references
from itportrait.adapt.selection import Selection
from itportrait.adapt.workers import Workers
from itportrait.bundle import Bundle
from itportrait.errors import CheckpointError
from itportrait.styles import WeightStyle

logger = logging.getLogger(__name__)

STATE_FORMAT = 2
"""Raised when the state of a run changes its form: runs that were interrupted start anew."""


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
        adapter: the result.
        image_adapter: of the image-adapted copy at the same step, in mode `image_text`.
        curve: all probes, in order.
        pairs: quality of the pairs, one a reference.
        step: steps after which the adapter was kept.
        metrics: of the kept step, `view_consistency` and `seconds` included.
        images: renders of the probe set by the result, uint8 `[S, S, 3]`.
    """

    adapter: WeightStyle
    image_adapter: WeightStyle | None
    curve: list[dict[str, float]]
    pairs: list[dict[str, Any]]
    step: int
    metrics: dict[str, float]
    images: list[np.ndarray] = field(repr=False)


def adapt_domain(
    bundle: Bundle,
    spec: DomainSpec,
    config: AdaptConfig | None = None,
    *,
    references: Sequence[Reference] | None = None,
    fingerprint: str | None = None,
    workers: Workers | None = None,
    resume_state: dict[str, Any] | None = None,
    on_start: Callable[[AdaptReport], None] | None = None,
    on_report: Callable[[AdaptReport], None] | None = None,
) -> AdaptResult:
    """Adapt the bundle's generator to a style domain.

    Args:
        bundle: the base model and the models that guide and judge; unchanged.
        spec: the domain.
        config: how; the domain's `options` are laid over it.
        references: aligned style images with their cameras; None reads `spec.references`, which
            must then be aligned pictures, and estimates the cameras.
        fingerprint: what the result is to be known by; None: the digest of these arguments.
        workers: those that adapt it together, this process among them; None: it is alone.
        resume_state: a report's `state()`; the run continues bit-identically.
        on_start: called with the unadapted generator's scores, at step 0; not in a resumed run.
        on_report: called after every probe, on every rank.

    Raises:
        InvalidArgumentError: options or references do not fit.
        UnknownNameError: no such method or preset of layers.
        CheckpointError: the state is of another domain, configuration, base model or release.
        NoInputError: a reference cannot be read.
    """
    config = resolve(spec, config or AdaptConfig())
    if not spec.uses_images:
        references = []
    elif references is None:
        references = load_references(spec.references)
    digest = fingerprint or adapt_fingerprint(spec, config, bundle.model_id, references)
    run = _Run(bundle, spec, config, list(references), workers or Workers(), digest, resume_state)
    if on_start is not None and run.step == 0:
        on_start(run.baseline())
    return run.finish(run.train(on_report))


class _Run:
    """The state of one adaptation."""

    def __init__(
        self,
        bundle: Bundle,
        spec: DomainSpec,
        config: AdaptConfig,
        references: list[Reference],
        workers: Workers,
        fingerprint: str,
        resume_state: dict[str, Any] | None,
    ) -> None:
        self.bundle, self.spec, self.config, self.workers = bundle, spec, config, workers
        self.fingerprint = fingerprint
        self.step, self.seconds = 0, 0.0
        started = time.perf_counter()
        state = resume_state and self._checked(resume_state)
        context = MethodContext(bundle, spec, config, references, workers)
        method = METHODS.get(spec.method)
        self.method: AdaptationMethod = method(context, state["method"] if state else None)
        self.selection = Selection(config.selection)
        self.probe = Probe(bundle, spec, config, references)
        if state:
            self.step, self.seconds = state["step"], state["seconds"]
            self.selection.load_state_dict(state["selection"])
            for name, student in self.method.students.items():
                student.load_state_dict(state["students"][name])
        self._started = started

    def _checked(self, state: dict[str, Any]) -> dict[str, Any]:
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
            "students": {name: s.state_dict() for name, s in self.method.students.items()},
            "method": self.method.state_dict(),
            "selection": self.selection.state_dict(),
        }

    def baseline(self) -> AdaptReport:
        """Score the generator as it is before the first step; it takes no part in the selection."""
        scores, images = self.probe.score(self.method.students[self.method.result].scored())
        return AdaptReport(0, scores, self.probe.pictures(images), False, self.state_dict, False)

    def train(self, on_report: Callable[[AdaptReport], None] | None) -> list[dict[str, Any]]:
        """Run to the last step, or until nothing improves; return the pairs' reports."""
        terms: dict[str, list[float]] = defaultdict(list)
        while self.step < self.spec.steps and not self.selection.exhausted:
            part = self.method.loss(self.step)
            self.method.students[part.student].update(part.loss, self.workers)
            self.step += 1
            for name, value in part.log.items():
                terms[name].append(value)
            if self.step % self.config.probe.every == 0 or self.step == self.spec.steps:
                self._report(terms, on_report)
                terms.clear()
        return [report.to_dict() for report in self.method.pair_reports()]

    def _report(
        self, terms: dict[str, list[float]], on_report: Callable[[AdaptReport], None] | None
    ) -> None:
        scores, images = self.probe.score(self.method.students[self.method.result].scored())
        scores = self.workers.from_first(scores)  # other machines round otherwise
        weights = {name: student.weights() for name, student in self.method.students.items()}
        kept = self.selection.add(self.step, scores, weights)
        means = {f"train/{name}": sum(values) / len(values) for name, values in terms.items()}
        logger.info(
            "%s step %d/%d: style %.3f identity %.3f depth variance %.2f%s",
            self.spec.name,
            self.step,
            self.spec.steps,
            scores["style"],
            scores["identity"],
            scores["depth_variance"],
            " (kept)" if kept else "",
        )
        if on_report is not None:
            last = self.step >= self.spec.steps or self.selection.exhausted
            pictures = self.probe.pictures(images)
            metrics = scores | means
            on_report(AdaptReport(self.step, metrics, pictures, kept, self.state_dict, last))

    def finish(self, pairs: list[dict[str, Any]]) -> AdaptResult:
        """Make the adapters of the kept step and judge the result."""
        kept = self.selection.kept
        assert kept is not None  # steps >= 1, and the last step is always probed
        adapters = {name: self._adapter(name, kept, pairs) for name in self.method.students}
        adapter = adapters[self.method.result]
        styled = adapter.apply(self.bundle.generator)
        metrics = self.probe.final(styled) | {"seconds": self.elapsed()}
        violation = self.selection.violation(metrics)
        if violation > 0:
            logger.warning("%s: no step kept identity and depth above their floors", self.spec.name)
        adapter.info.update(metrics=metrics, fit=violation == 0)
        _, images = self.probe.score(styled)
        other = adapters.get("image") if self.method.result != "image" else None
        return AdaptResult(
            adapter,
            other,
            self.selection.curve,
            pairs,
            int(kept["step"]),
            metrics,
            self.probe.pictures(images),
        )

    def _adapter(
        self, student: str, kept: dict[str, float], pairs: list[dict[str, Any]]
    ) -> WeightStyle:
        info = {
            "spec": self.spec.portable(),
            "fingerprint": self.fingerprint,
            "student": student,
            "step": int(kept["step"]),
            "pairs": pairs,
        }
        return WeightStyle.between(
            self.bundle.generator,
            with_weights(self.bundle.generator, self.selection.weights[student]),
            names=self.selection.weights[student],
            domain=self.spec.name,
            base_model_id=self.bundle.model_id,
            info=info,
        )
