"""Style domains as people write them in one line of Python."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from itportrait.adapt.domain import DomainSpec, mode_of
from itportrait.errors import DecodeError, InvalidArgumentError, NoInputError
from itportrait.interactive.pictures import Picture, as_list, name_of, read_picture
from itportrait.io import uris
from itportrait.io.names import check_domain
from itportrait.jobs.stylize.config import JobConfig
from itportrait.training.domain_job import DomainJob, Guides


class Domain:
    """A style domain of one's own: words, reference pictures, or both.

    `Domain("zombie", prompt="a zombie")`, `Domain("clay", reference="clay.png")`.

    Args:
        name: of the domain, as a folder may be called.
        prompt: what portraits become, such as "a bronze statue".
        reference: a style picture, or several: paths, URIs, bytes, PIL images or arrays.
        settings: further ones of the domain, such as `method="jojogan"`, `steps=100` or
            `pictures="OUT/aligned"`; those of `itportrait.adapt.DomainSpec`.

    Raises:
        InvalidArgumentError: the name is none, nothing guides the domain, or `references` is given
            (the list of URIs of a configuration), which is `reference` here.
    """

    def __init__(
        self,
        name: str,
        prompt: str = "",
        reference: Picture | Sequence[Picture] | None = None,
        **settings: Any,
    ) -> None:
        self.name = check_domain(name)
        if "references" in settings:
            raise InvalidArgumentError(
                f"domain {name!r}",
                expected="its pictures as `reference`, one or a list",
                actual="`references`",
                remedy="write reference=...",
            )
        self.prompt = prompt
        self.references = [] if reference is None else as_list(reference, "reference")
        self.settings = settings
        if not (prompt or self.references or settings.get("pictures")):
            raise InvalidArgumentError(
                f"domain {name!r}",
                expected="a prompt, a reference picture, or both",
                actual="neither",
                remedy=f"such as Domain({name!r}, prompt='a zombie'); the name alone, without "
                "Domain, means one of a bank",
            )

    def __repr__(self) -> str:
        """Return how it was written, pictures by their names."""
        said = [repr(self.name)]
        said += [f"prompt={self.prompt!r}"] if self.prompt else []
        said += [f"reference={self._names()}"] if self.references else []
        said += [f"{name}={value!r}" for name, value in self.settings.items()]
        return f"Domain({', '.join(said)})"

    def spec(self, job: JobConfig) -> DomainSpec:
        """Return the domain as a job has it, over the job's own defaults, checked as there.

        Raises:
            InvalidArgumentError: settings are unknown, or do not fit each other.
        """
        given = {
            "name": self.name,
            "mode": mode_of(
                self.prompt, by_pictures=bool(self.references or self.settings.get("pictures"))
            ),
            "prompt": self.prompt or None,
            "references": self._names(),
            **self.settings,
        }
        among = {"defaults": job.defaults, "adapt": job.adapt, "domains": [given]}
        try:
            (spec,) = JobConfig.parse(among).specifications().values()
        except InvalidArgumentError as error:
            reason = str(error.actual).removeprefix("JobConfig: ").removeprefix("domains: ")
            raise InvalidArgumentError(
                repr(self), expected="settings that exist and fit each other", actual=reason
            ) from None
        return spec

    def job(self, job: JobConfig, model_id: str) -> DomainJob:
        """Return the training of the domain, with its pictures read.

        Raises:
            NoInputError: a reference cannot be read; names it.
            InvalidArgumentError: settings are unknown, or do not fit each other.
        """
        spec = self.spec(job)
        guides = Guides.of(spec.model_copy(update={"references": ()}))  # its set of pictures alone
        return DomainJob.of(
            spec,
            bundle=job.bundle,
            adapt=job.adapt,
            align=job.align,
            model_id=model_id,
            guides=replace(guides, pictures=tuple(map(self._read, self.references, count()))),
        )

    def _names(self) -> list[str]:
        return [name_of(item, at, "reference") for at, item in enumerate(self.references)]

    def _read(self, picture: Picture, index: int) -> bytes:
        try:
            return read_picture(picture)
        except (OSError, DecodeError) as error:
            name = uris.redact(name_of(picture, index, "reference"))
            raise NoInputError(
                f"reference {name} of domain {self.name!r} cannot be read: {uris.why_unread(error)}"
            ) from error
