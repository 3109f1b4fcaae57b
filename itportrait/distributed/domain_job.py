"""What a domain's training is given, as plain data, and the fingerprint that it is known by."""

from dataclasses import dataclass, field

from pydantic import Field

from itportrait.adapt.config import AdaptConfig, DomainSpec, resolve
from itportrait.align.config import AlignConfig
from itportrait.config import Settings, fingerprint
from itportrait.errors import NoInputError
from itportrait.io import uris

ADAPT_VERSION = 1
"""Raised when the code of adaptation changes its results: every domain is then made again."""


class TrainConfig(Settings):
    """How a domain's training is spread, retried and bounded."""

    num_workers: int = Field(default=1, ge=1)
    """Number of workers of one domain; each draws its own codes and cameras."""
    min_workers: int | None = None
    """Fewest workers to go on with when nodes are lost; None: always `num_workers`."""
    cpus_per_worker: float = Field(default=1.0, gt=0)
    """Cores of a worker."""
    gpus_per_worker: float | None = Field(default=None, ge=0)
    """GPUs of a worker; None: 1 where the cluster has any, else 0."""
    max_concurrent: int | None = Field(default=None, ge=1)
    """Number of domains trained at once; None: as many as the cluster holds."""
    max_failures: int = Field(default=3, ge=0)
    """Number of restarts of the workers from the last checkpoint."""
    controller_failures: int = Field(default=3, ge=0)
    """Number of restarts of the run's controller, failed starts included."""
    deadline_s: float = Field(default=6 * 3600.0, gt=0)
    """Time limit of a run, in seconds; then it is given up."""
    checkpoints_kept: int = Field(default=2, ge=1)
    """Number of checkpoints kept while a run goes on."""


@dataclass(frozen=True, kw_only=True)
class TrackingTarget:
    """Where a run's curves and pictures go.

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


@dataclass(frozen=True, kw_only=True)
class DomainJob:
    """All that a training needs, as plain data.

    Args:
        bundle: URI of the base model.
        spec: the domain.
        adapt: how; the domain's options are laid over it.
        align: how reference pictures are aligned.
        fingerprint: from `domain_fingerprint`.
        pictures: contents of the specification's reference pictures, from `read_references`: they
            travel with the job, since workers may not see the files of the driver's machine.
        tracking: where curves go.
    """

    bundle: str
    spec: DomainSpec
    adapt: AdaptConfig
    align: AlignConfig
    fingerprint: str
    pictures: tuple[bytes, ...] = field(default=(), repr=False)
    tracking: TrackingTarget = field(default_factory=TrackingTarget)

    @property
    def run_name(self) -> str:
        """Return the name under which Ray Train finds the run again."""
        return f"{self.spec.name}-{self.fingerprint}"

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags of its tracked run."""
        return {"domain": self.spec.name, "fingerprint": self.fingerprint, **self.spec.tags}


def domain_fingerprint(
    spec: DomainSpec, adapt: AdaptConfig, align: AlignConfig, model_id: str
) -> str:
    """Return a digest of specification, reference contents, base model and code version.

    Raises:
        NoInputError: a reference picture cannot be read; names it.
        InvalidArgumentError: an option of the domain is unknown or invalid.
    """
    plain = spec.model_dump(mode="json", exclude={"tags", "license", "references", "options"})
    contents = list(read_references(spec))
    used = align if spec.references else None
    return fingerprint(plain, resolve(spec, adapt), used, model_id, contents, ADAPT_VERSION)


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
                f"{uris.redact(str(error))}"
            ) from error
    return tuple(contents)


def training_storage(bank: str) -> str:
    """Return where the runs of a bank keep their checkpoints."""
    return uris.absolute(uris.join(bank, "_training"))
