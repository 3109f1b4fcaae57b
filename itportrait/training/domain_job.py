"""The inputs of a domain's training as plain data, and the fingerprint that identifies it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import Field

import itportrait.align
from itportrait.adapt.config import AdaptConfig
from itportrait.adapt.domain import DomainSpec
from itportrait.align.config import AlignConfig
from itportrait.bank.store import Bank, BankVersion
from itportrait.config import Settings
from itportrait.errors import NoInputError
from itportrait.io import uris
from itportrait.tracking import NOTE_TAG


class TrainConfig(Settings):
    """Workers, retries and time limit of a domain's training."""

    num_workers: int = Field(default=1, ge=1)
    """Number of workers of one domain; each draws its own codes and cameras."""
    min_workers: int | None = None
    """Smallest number of workers with which a training goes on when nodes are lost. None means
    `num_workers`."""
    cpus_per_worker: float = Field(default=1.0, gt=0)
    """Number of cores reserved for a worker."""
    gpus_per_worker: float | None = Field(default=None, ge=0)
    """Number of GPUs reserved for a worker. None means 1 where the cluster has GPUs, and 0
    elsewhere."""
    max_concurrent: int | None = Field(default=None, ge=1)
    """Number of domains trained at once; None means as many as the cluster holds."""
    max_failures: int = Field(default=3, ge=0)
    """Number of times that the workers are started again from the last checkpoint."""
    controller_failures: int = Field(default=3, ge=0)
    """Number of times that the run's controller is started again, including starts that failed."""
    deadline_s: float = Field(default=6 * 3600.0, gt=0)
    """Time limit of a training, in seconds; a domain that exceeds it fails."""
    checkpoints_kept: int = Field(default=2, ge=1)
    """Number of checkpoints kept while a training runs."""


@dataclass(frozen=True, kw_only=True)
class TrackingTarget:
    """Where a run logs its curves and pictures.

    Args:
        uri: MLflow tracking URI; "none" for nowhere.
        experiment: its experiment.
        parent: name and key of the parent run.
        spool: folder for what the service cannot take.
    """

    uri: str = "none"
    experiment: str = "style-bank"
    parent: str = ""
    spool: str | None = None


@dataclass(frozen=True)
class Guides:
    """What guides a domain besides words, as it was when it was read.

    Args:
        pictures: contents of the specification's reference pictures: they travel with the job,
            since workers may not see the files of the driver's machine.
        set_digest: of the set of pictures; "" where none guides the domain.
    """

    pictures: tuple[bytes, ...] = field(default=(), repr=False)
    set_digest: str = ""

    @classmethod
    def of(cls, spec: DomainSpec) -> Self:
        """Read what guides a domain.

        Raises:
            NoInputError: a reference picture cannot be read, or the set of pictures is no aligned
                table; names it.
        """
        from itportrait.adapt.references import open_set

        pictures, found = read_references(spec), open_set(spec)
        return cls(pictures, "" if found is None else found.digest)


@dataclass(frozen=True, kw_only=True)
class DomainJob:
    """Everything that a training needs, as plain data.

    Args:
        bundle: URI of the base model.
        spec: the domain.
        adapt: how; the domain's options are laid over it.
        align: how reference pictures are aligned.
        fingerprint: what determines the result, references and code included.
        former: by which the first release knew the same domain; "" where that is all the same.
        pictures: contents of the specification's reference pictures; see `Guides`.
        set_digest: of the set of pictures that guides the domain; "" where none does.
        tracking: where curves go.
        warnings: what people should know of what guides it, from `vet_jobs`.
    """

    bundle: str
    spec: DomainSpec
    adapt: AdaptConfig
    align: AlignConfig
    fingerprint: str
    former: str = ""
    pictures: tuple[bytes, ...] = field(default=(), repr=False)
    set_digest: str = ""
    tracking: TrackingTarget = field(default_factory=TrackingTarget)
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        spec: DomainSpec,
        *,
        bundle: str,
        adapt: AdaptConfig,
        align: AlignConfig,
        model_id: str,
        tracking: TrackingTarget | None = None,
        guides: Guides | None = None,
    ) -> Self:
        """Return the training of a domain, with its fingerprints; its guides are read if not given.

        Raises:
            NoInputError: a reference picture cannot be read, or the set of pictures is no aligned
                table; names it.
            UnknownNameError: no such method.
            InvalidArgumentError: an option of the domain is unknown or invalid.
        """
        from itportrait.adapt import adapt_fingerprint, former_fingerprint

        guides = guides or Guides.of(spec)
        given = {"align": _aligner(spec, align), "set_digest": guides.set_digest}
        fingerprint = adapt_fingerprint(spec, adapt, model_id, guides.pictures, **given)
        former = former_fingerprint(spec, adapt, model_id, guides.pictures, **given)
        return cls(
            bundle=bundle,
            spec=spec,
            adapt=adapt,
            align=align,
            fingerprint=fingerprint,
            former="" if former == fingerprint else former,
            pictures=guides.pictures,
            set_digest=guides.set_digest,
            tracking=tracking or TrackingTarget(),
        )

    def find_in(self, bank: Bank) -> BankVersion | None:
        """Return the version of a bank that this training would make again, or None."""
        found = bank.find(self.spec.name, self.fingerprint)
        if found is None and self.former:
            found = bank.find(self.spec.name, self.former)
        return found

    @property
    def run_name(self) -> str:
        """Return the name under which Ray Train finds the run again."""
        return f"{self.spec.name}-{self.fingerprint}"

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags of its tracked run."""
        tags = {"domain": self.spec.name, "fingerprint": self.fingerprint, **self.spec.tags}
        tags[NOTE_TAG] = domain_note(self.spec.model_dump(mode="json"))
        return tags | ({"warnings": "; ".join(self.warnings)} if self.warnings else {})


def domain_note(spec: Mapping[str, Any]) -> str:
    """Return the description of a domain's run, Markdown, without credentials of its references."""
    prompt = f" by the words *{spec['prompt']}*" if spec.get("prompt") else ""
    references = [uris.file_name(uris.redact(str(uri))) for uri in spec.get("references") or ()]
    pictures = f" by the pictures {', '.join(references)}" if references else ""
    guides = " and".join(part for part in (prompt, pictures) if part)
    return (
        f"Style domain **{spec.get('name', '')}**, guided{guides or ' by a set of pictures'}, "
        f"adapted by `{spec.get('method', '')}`."
    )


def read_references(spec: DomainSpec) -> tuple[bytes, ...]:
    """Return the contents of a domain's reference pictures.

    Raises:
        NoInputError: a reference picture cannot be read; names it.
    """
    contents = []
    for uri in spec.references:
        try:
            contents.append(uris.read_bytes(uri))
        except OSError as error:
            raise NoInputError(
                f"reference {uris.redact(uri)} of domain {spec.name!r} cannot be read: "
                f"{uris.why_unread(error)}; give a picture"
            ) from error
    return tuple(contents)


def _aligner(spec: DomainSpec, align: AlignConfig) -> AlignConfig | list[Any] | None:
    """Return what aligns the references: settings, and the version of the stage past its first."""
    if not spec.references:
        return None
    version = itportrait.align.VERSION
    return align if version == 1 else [align, version]


def training_storage(bank: str) -> str:
    """Return where the runs of a bank keep their checkpoints."""
    return uris.absolute(uris.join(bank, "_training"))
