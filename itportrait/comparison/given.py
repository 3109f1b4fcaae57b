"""What a domain of a comparison gives, read once for all of its cells."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from itportrait.adapt.domain import DomainSpec
from itportrait.comparison.config import DomainSettings
from itportrait.config import fingerprint
from itportrait.errors import ItportraitError, NoInputError
from itportrait.io import uris
from itportrait.picture_sets.names import drawn_domain, is_drawn
from itportrait.training.domain_job import Guides

T = TypeVar("T")
_READERS = 16
"""Number of true pictures that are read at once."""


@dataclass(frozen=True)
class Target:
    """What results of a domain are scored by, whatever guided the method.

    Args:
        prompt: of the domain, or None.
        source_prompt: words for what is left behind.
        references: where its style pictures came from.
        pictures: contents of these pictures.
        truth: of the domain, or None.
        truth_digest: of what the truth shows; "" where there is none.
    """

    prompt: str | None
    source_prompt: str
    references: tuple[str, ...] = ()
    pictures: tuple[bytes, ...] = field(default=(), repr=False)
    truth: str | None = None
    truth_digest: str = ""

    @property
    def drawn(self) -> str | None:
        """Return the name of the drawn domain that is its truth, or None."""
        truth = self.truth or ""
        return drawn_domain(truth) if is_drawn(truth) else None


@dataclass(frozen=True)
class GivenDomain:
    """What a domain gives.

    Args:
        target: what results are scored by.
        reason: why they cannot be scored; empty where they can. It holds for cells that are guided
            by words, too: figures without the references do not compare with figures that have
            them, and scores of an earlier run are worth more.
        pictures: the set of pictures.
        pictures_reason: why the set cannot guide a method; empty where it can.
    """

    target: Target
    reason: str
    pictures: Guides
    pictures_reason: str

    def guides(self, spec: DomainSpec) -> Guides:
        """Return what guides one of the domain's adaptations besides words.

        Raises:
            NoInputError: it could not be read, or results could not be scored; says why.
        """
        reason = self.reason or (self.pictures_reason if spec.pictures else "")
        if reason:
            raise NoInputError(reason)
        if spec.pictures:
            return self.pictures
        return Guides(self.target.pictures if spec.references else ())


def read_domain(name: str, domain: DomainSettings) -> GivenDomain:
    """Read what a domain gives; what cannot be read is its reason."""

    def guides(**given: Any) -> Guides:
        if not all(given.values()):
            return Guides()
        return Guides.of(DomainSpec(name=name, mode="image", **given))

    references, reason = _tried(lambda: guides(references=domain.references), Guides())
    truth_digest, truth_reason = _tried(lambda: _truth_digest(domain.truth), "")
    pictures, pictures_reason = _tried(
        lambda: guides(pictures=domain.pictures, pictures_count=domain.pictures_count), Guides()
    )
    target = Target(
        domain.prompt,
        domain.source_prompt,
        domain.references,
        references.pictures,
        domain.truth,
        truth_digest,
    )
    return GivenDomain(target, reason or truth_reason, pictures, pictures_reason)


def _tried(read: Callable[[], T], otherwise: T) -> tuple[T, str]:
    """Return what was read, and why it could not be."""
    try:
        return read(), ""
    except (ItportraitError, OSError) as error:
        return otherwise, uris.redact(str(error))


def _truth_digest(truth: str | None) -> str:
    """Return a digest of what a truth shows: of its files, wherever they lie, or of its drawing.

    Raises:
        NoInputError: it holds no pictures.
    """
    from itportrait.jobs.bank.scores import truth_files
    from itportrait.portraits.render import VERSION

    if truth is None:
        return ""
    if is_drawn(truth):
        return fingerprint(truth, VERSION)
    with ThreadPoolExecutor(_READERS) as pool:
        return fingerprint(*pool.map(_digest_of_file, truth_files(truth)))


def _digest_of_file(uri: str) -> str:
    return fingerprint(uris.read_bytes(uri))
