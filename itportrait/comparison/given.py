"""What a domain of a comparison gives, read once for all of its cells."""

from dataclasses import dataclass
from typing import Any

from itportrait.adapt.domain import DomainSpec
from itportrait.comparison.config import DomainSettings
from itportrait.comparison.warm import Target
from itportrait.errors import ItportraitError, NoInputError
from itportrait.io import uris
from itportrait.training.domain_job import Guides


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
    references, reason = _read(name, {"references": domain.references})
    named = {"pictures": domain.pictures, "pictures_count": domain.pictures_count}
    pictures, pictures_reason = _read(name, named if domain.pictures else {})
    target = Target(
        domain.prompt, domain.source_prompt, domain.references, references.pictures, domain.truth
    )
    return GivenDomain(target, reason, pictures, pictures_reason)


def _read(name: str, given: dict[str, Any]) -> tuple[Guides, str]:
    """Return references or a set of pictures, and why they cannot be read."""
    if not any(given.values()):
        return Guides(), ""
    try:
        return Guides.of(DomainSpec(name=name, mode="image", **given)), ""
    except (ItportraitError, OSError) as error:
        return Guides(), uris.redact(str(error))
