"""Look-ups of a comparison's scores, so that each part of the page asks for them the same way."""

import math
from collections.abc import Collection, Sequence

from itportrait.pages.comparison.data import SOURCES, ComparedScore, Comparison
from itportrait.pages.measures import MEASURES, Measure, measure_of

Scope = tuple[str | None, int | None]
"""Domain and seed of scores; None stands for all of them."""


class ScoreIndex:
    """The scores of a comparison by method, metric and scope."""

    def __init__(self, comparison: Comparison) -> None:
        self.labels = [method.label for method in comparison.methods]
        self.domains = [domain.name for domain in comparison.domains]
        self._scores = {
            (score.label, score.metric, (score.domain, score.seed)): score
            for score in comparison.scores
        }
        self._source = {score.metric: score.source for score in comparison.scores}

    def get(self, label: str, metric: str, scope: Scope = (None, None)) -> ComparedScore | None:
        """Return a score that is a finite number, or None."""
        score = self._scores.get((label, metric, scope))
        return score if score is not None and _usable(score) else None

    def missing(self, label: str, metric: str, scope: Scope) -> str:
        """Return in words why there is no such number."""
        score = self._scores.get((label, metric, scope))
        if score is None:
            return "not computed"
        if score.value is not None and not _usable(score):
            return f"the value is {score.value}, which is no number to compare"
        return score.reason or "no reason was given"

    def scopes(self) -> list[Scope]:
        """Return the scopes that have scores: over all seeds first, over all domains first."""
        found = {scope for _, _, scope in self._scores}
        order = [None, *self.domains]
        return sorted(
            found,
            key=lambda scope: (
                scope[1] is not None,
                order.index(scope[0]),
                -1 if scope[1] is None else scope[1],
            ),
        )

    def measures(self, sources: Collection[str], scope: Scope | None = None) -> list[Measure]:
        """Return the metrics of some sources, in the order to show them.

        Args:
            sources: some of `SOURCES`.
            scope: only metrics with a row in this scope; None for any scope.
        """
        present = {metric for _, metric, where in self._scores if scope is None or where == scope}
        known = [measure.name for measure in MEASURES]
        names = [name for name in present if self._source[name] in sources]
        names.sort(
            key=lambda name: (
                SOURCES.index(self._source[name]),
                known.index(name) if name in known else len(known),
                name,
            )
        )
        return [measure_of(name) for name in names]

    def source(self, metric: str) -> str:
        """Return where a metric comes from."""
        return self._source[metric]

    def whole(self, score: ComparedScore) -> bool:
        """Tell whether a score has as many measurements as any method has in its scope."""
        others = self._present(score.metric, (score.domain, score.seed))
        return score.count >= max(other.count for other in others)

    def decided(self, best: ComparedScore) -> bool:
        """Tell whether intervals say which others are not certainly worse than the best score."""
        others = self._present(best.metric, (best.domain, best.seed))
        return all(each is best or each.best is not None or not self.whole(each) for each in others)

    def best(self, measure: Measure, scope: Scope) -> ComparedScore | None:
        """Return the best score of all methods, or None where there is none or no direction.

        A mean of fewer measurements, such as of a method that does not fit all domains, is of
        other things than the rest and never the best.
        """
        best: ComparedScore | None = None
        for score in self._present(measure.name, scope):
            if not self.whole(score):
                continue
            if best is None or measure.beats(_number(score), _number(best)):
                best = score
        return best if measure.better else None

    def _present(self, metric: str, scope: Scope) -> Sequence[ComparedScore]:
        found = (self.get(label, metric, scope) for label in self.labels)
        return [score for score in found if score is not None]


def _usable(score: ComparedScore) -> bool:
    return score.value is not None and math.isfinite(score.value)


def _number(score: ComparedScore) -> float:
    assert score.value is not None  # `ScoreIndex.get` returns no other
    return score.value
