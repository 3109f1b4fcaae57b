"""What guides a domain, looked at before any work: words that no model knows, pictures without a
face."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from itportrait.adapt.domain import DomainSpec
from itportrait.errors import DecodeError, InvalidArgumentError, NoInputError
from itportrait.text import shown
from itportrait.training.domain_job import DomainJob

if TYPE_CHECKING:
    from itportrait.adapt import Reference
    from itportrait.bundle import Bundle


def vet_jobs(jobs: Sequence[DomainJob]) -> list[tuple[str, ...]]:
    """Return what people should know of each training before it begins; it takes seconds.

    See `vet_job`; errors name the domain.
    """
    return [_vet_named(job) for job in jobs]


def vet_job(job: DomainJob) -> tuple[str, ...]:
    """Return what people should know of one training before it begins.

    Each warning is a sentence that begins with its kind and a colon, such as `unknown words: …`.

    Raises:
        NoInputError: a reference picture shows no face and cannot be taken as it is.
        DecodeError: a reference is not a picture.
    """
    return tuple(_warnings(job))


def said_of(warnings: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the warnings of domains, each with its domain's name."""
    return [f"domain {name!r}: {text}" for name, texts in warnings.items() for text in texts]


def refuse_warnings(warnings: Mapping[str, Sequence[str]]) -> None:
    """Refuse domains of which anything is to be warned; what `--strict` asks for.

    Args:
        warnings: by the name of the domain.

    Raises:
        InvalidArgumentError: there is one; gives all of them.
    """
    if said := said_of(warnings):
        raise InvalidArgumentError(
            "--strict", expected="domains without a warning", actual="; ".join(said)
        )


def _vet_named(job: DomainJob) -> tuple[str, ...]:
    try:
        return vet_job(job)
    except (NoInputError, DecodeError) as error:
        raise type(error)(f"domain {job.spec.name!r}: {error}") from None


def _warnings(job: DomainJob) -> Iterator[str]:
    from itportrait.bundle.warm import warm_bundle
    from itportrait.training.preparation import reference_images

    bundle, spec = warm_bundle(job.bundle, "cpu"), job.spec
    if spec.uses_text:
        yield from _words(spec, bundle)
    if spec.references:
        found = reference_images(spec.references, job.pictures, bundle, job.align)
        yield from _pictures(found)


def _words(spec: DomainSpec, bundle: "Bundle") -> Iterator[str]:
    for key in ("prompt", "source_prompt"):
        unknown = bundle.unknown_words(getattr(spec, key) or "")
        if unknown:
            words = ", ".join(repr(word) for word in unknown)
            yield (
                f"unknown words: the image-text models of {bundle.name!r} have never seen {words} "
                f"of the {key}, so what is learned of them is chance; use words that the "
                "vocabulary.json of the bundle lists, add a reference picture, or take a bundle "
                "with an open vocabulary"
            )


def _pictures(references: "Sequence[Reference]") -> Iterator[str]:
    for reference in references:
        if reference.camera is None:
            yield (
                f"no face: none was found in {shown(reference.uri)}, which is square and is taken "
                "as an aligned portrait, its camera estimated; if it is none, crop it to a square "
                "around the head"
            )
