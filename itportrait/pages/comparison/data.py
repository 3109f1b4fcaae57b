"""What the page of a comparison is made from: plain values, whatever tables they come from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from itportrait.errors import InvalidArgumentError
from itportrait.pages.views import Views

SOURCES = ("guide", "truth", "identity", "depth", "features", "cost")
"""Where figures come from, in the order in which the page shows them.

`guide` is the image-text model (CLIP) that guides most methods; `truth` are true pictures of a
domain; `identity`, `depth` and `features` are other models, which can be in losses of methods too,
see `Comparison.judges`; `cost` is measured time and size.
"""


@dataclass(frozen=True)
class ComparedMethod:
    """One column of the pictures and one row of the scores.

    Args:
        label: what the configuration calls it; distinct.
        method: registered name of the adaptation method.
        mode: `text`, `image` or `image_text`; "" where it differs by domain.
        about: settings that make it different, such as `400 steps, views frontal`.
    """

    label: str
    method: str = ""
    mode: str = ""
    about: str = ""


@dataclass(frozen=True)
class ComparedDomain:
    """One style domain.

    Args:
        name: of the domain; distinct.
        prompt: its text, or None.
        reference: its style image as `encode_views` makes it from one picture, or None.
    """

    name: str
    prompt: str | None = None
    reference: Views | None = None


@dataclass(frozen=True)
class ComparedPortrait:
    """One row of the pictures.

    Args:
        name: what the user knows it by, such as the file name; distinct.
        photo: the input, or None where it could not be read.
        base: views by the generator that was not adapted, or None.
        truth: views of the true stylization by domain, for drawn people only.
    """

    name: str
    photo: Views | None = None
    base: Views | None = None
    truth: Mapping[str, Views] = field(default_factory=dict)


@dataclass(frozen=True)
class ComparedPicture:
    """One portrait by one method: a cell of the pictures.

    Args:
        label: of the method.
        domain: name of the domain.
        seed: of the adaptation.
        portrait: name of the portrait.
        views: its views.
        figures: scores of this portrait by metric name.
    """

    label: str
    domain: str
    seed: int
    portrait: str
    views: Views
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ComparedFailure:
    """What is missing, and why.

    Args:
        label: of the method.
        domain: name of the domain.
        reason: in words.
        seed: of the adaptation; None where no seed got that far.
        portrait: name of the portrait; None where the domain's style itself is missing.
    """

    label: str
    domain: str
    reason: str
    seed: int | None = None
    portrait: str | None = None


@dataclass(frozen=True)
class ComparedScore:
    """One figure of a method, with its 95 % bootstrap interval.

    Args:
        label: of the method.
        metric: its name, such as `truth_distance`.
        source: one of `SOURCES`.
        value: the figure, or None where it could not be computed.
        low: lower end of its interval, or None where there is none.
        high: upper end of its interval, or None where there is none.
        count: number of measurements in it.
        domain: name of the domain; None over all domains.
        seed: of the adaptation; None over all seeds.
        reason: why `value` is None.
        best: whether it is the best of its column, or not certainly worse than the best by the
            interval of their paired difference; None where there is no such interval.
    """

    label: str
    metric: str
    source: str
    value: float | None
    low: float | None = None
    high: float | None = None
    count: int = 0
    domain: str | None = None
    seed: int | None = None
    reason: str | None = None
    best: bool | None = None


@dataclass(frozen=True)
class Comparison:
    """All that the page shows.

    Args:
        methods: in the order to show them.
        domains: in the order to show them.
        portraits: those to show, in order.
        scores: all figures; what a method lacks is shown as missing.
        pictures: those to show, usually of the first seed alone, because each further seed makes
            the page as much larger.
        failures: what is missing, of all seeds and all portraits of the run.
        lost: name of each portrait that reached no method, with the reason.
        portrait_count: number of portraits that the methods stylized; 0 where all are in
            `portraits`.
        view_names: captions of the views, such as `own view`, `yaw -30°`.
        settings: facts of the run for its folded section, such as seeds and steps, in words.
        config: text of the resolved configuration for the folded section.
        judges: sentences on what measures the figures, and which methods were trained with it.

    Raises:
        InvalidArgumentError: two methods, domains or portraits share a name; a score, picture or
            failure names one that is not there.
    """

    methods: Sequence[ComparedMethod]
    domains: Sequence[ComparedDomain]
    portraits: Sequence[ComparedPortrait]
    scores: Sequence[ComparedScore] = ()
    pictures: Sequence[ComparedPicture] = ()
    failures: Sequence[ComparedFailure] = ()
    lost: Sequence[tuple[str, str]] = ()
    portrait_count: int = 0
    view_names: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    config: str = ""
    judges: Sequence[str] = ()

    def __post_init__(self) -> None:
        labels = _distinct("methods", (method.label for method in self.methods))
        domains = _distinct("domains", (domain.name for domain in self.domains))
        portraits = _distinct("portraits", (portrait.name for portrait in self.portraits))
        rows = {"scores": self.scores, "pictures": self.pictures, "failures": self.failures}
        for argument, items in rows.items():
            _known(argument, "label", labels, (item.label for item in items))
            _known(argument, "domain", domains, (item.domain for item in items))
        _known("pictures", "portrait", portraits, (item.portrait for item in self.pictures))
        _known("scores", "source", frozenset(SOURCES), (score.source for score in self.scores))


def _distinct(argument: str, names: Iterable[str]) -> frozenset[str]:
    found = list(names)
    if len(set(found)) != len(found):
        raise InvalidArgumentError(argument, expected="distinct names", actual=found)
    return frozenset(found)


def _known(argument: str, what: str, known: frozenset[str], names: Iterable[str | None]) -> None:
    if unknown := sorted({name for name in names if name is not None} - known):
        raise InvalidArgumentError(
            f"{what} of {argument}", expected=f"one of {sorted(known)}", actual=unknown
        )
