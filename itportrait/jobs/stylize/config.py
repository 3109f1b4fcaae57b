"""The configuration of the main job: what goes in and out, the stages, and the resources."""

from dataclasses import replace
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from itportrait.adapt.config import AdaptConfig, misfits, resolve
from itportrait.adapt.domain import DomainSpec, pictures_places
from itportrait.align.config import AlignConfig
from itportrait.bank.gate import FloorsConfig
from itportrait.bank.version import BankVersion
from itportrait.bundle.places import MINI, absolute_bundle
from itportrait.config import Settings, merge, refuse_unknown_keys
from itportrait.configuration.blame import read_naming_set
from itportrait.configuration.layers import LayeredSettings, Layers
from itportrait.configuration.laying import lay
from itportrait.configuration.places import refuse_temporary
from itportrait.configuration.shipped import find_config
from itportrait.configuration.yaml_files import read_mapping
from itportrait.engine.config import ResourcesConfig
from itportrait.errors import InvalidArgumentError, ItportraitError, UnknownNameError
from itportrait.ingest.config import IngestConfig
from itportrait.invert.config import InvertConfig
from itportrait.invert.methods import INVERSIONS
from itportrait.io import uris
from itportrait.io.names import check_domain
from itportrait.io.parquet import PixelFormat
from itportrait.results.config import PublishConfig
from itportrait.stages.chain import check_chain
from itportrait.stages.recipe import Recipe
from itportrait.stages.registry import CHAIN, stage_named
from itportrait.stylize.config import StylizeConfig
from itportrait.training.domain_job import TrainConfig

COPIES = {"png": 6, "jpeg": 3, "webp": 3}
"""Largest memory of a shard while it is written, in sizes of its raw pictures: measured on noise,
which no format makes smaller."""
WEIGHT_COPIES = 3
"""The same of the weights of portraits: in rows, in a table, and in the table's file."""


class OutputConfig(Settings):
    """How pictures are kept."""

    format: Literal["png", "jpeg", "webp"] = "png"
    """Encoding of the pictures in the `pixels` tables; only `png` is lossless."""
    quality: int = Field(default=92, ge=1, le=100)
    """Quality of `jpeg` and `webp`; `png` ignores it."""


class TrackingConfig(Settings):
    """Where live adaptations log their curves and pictures."""

    uri: str = "none"
    """Tracking URI of MLflow, such as `sqlite:///{runs}/mlflow.db` or `http://host:port`; `none`
    logs nothing."""
    experiment: str = "style-bank"
    """Name of the MLflow experiment."""


_OF_DOMAINS = tuple(name for name in DomainSpec.model_fields if name != "name")


class JobConfig(LayeredSettings):
    """The whole of `workflows/stylize_dataset.py`."""

    bundle: str = MINI
    """Model bundle: `mini`, a folder, or a URI. Its `settings.yaml`, where it has one, lies under
    the job's own settings."""
    input: str = ""
    """Folder, glob, list file, Parquet table or tar shards of photos, on any storage."""
    output: str = ""
    """Folder or URI to which the job writes. A later run with the same output computes only what is
    missing or changed."""
    bank: str = ""
    """Folder or URI of the style bank. Styles are read from it, and live adaptations are published
    to it."""
    defaults: dict[str, Any] = Field(default_factory=dict)
    """Settings that lie under those of every domain that is specified here."""
    domains: tuple[str | DomainSpec, ...] = ()
    """Style domains. A name means the champion of that name in the bank. A specification is adapted
    before the photos are stylized, unless the bank holds it already. Instead of a list, a mapping
    of specifications by name, as in the file of a bank."""
    ingest: IngestConfig = IngestConfig()
    """How inputs are found and cut into shards."""
    stages: tuple[str, ...] = CHAIN
    """Stages that photos go through, in order; the last one runs once for each domain. Packages
    that are installed may add stages."""
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings of stages that other packages add, by the name of the stage."""
    align: AlignConfig = AlignConfig()
    """How photos become crops and cameras."""
    invert: InvertConfig = InvertConfig()
    """How portraits become codes of the generator."""
    adapt: AdaptConfig = AdaptConfig()
    """How domains that are specified here are adapted."""
    gate: FloorsConfig = FloorsConfig()
    """What an adapted domain must reach to become champion of the bank."""
    stylize: StylizeConfig = StylizeConfig()
    """How codes become stylized views."""
    adaptation: Literal["ray_train", "tasks"] = "ray_train"
    """What runs the adaptations. `ray_train` may have several workers, and starts processes of its
    own for every adaptation. `tasks` adapts in one process whose models stay loaded: for small
    models. Both go on from the last probed step."""
    train: TrainConfig = TrainConfig()
    """Workers, retries and time limit of the adaptations."""
    pixels: OutputConfig = OutputConfig()
    """How pictures are encoded in the tables."""
    publish: PublishConfig = PublishConfig()
    """Which pages, videos and files are made of the results."""
    tracking: TrackingConfig = TrackingConfig()
    """Where MLflow logs the adaptations."""
    resources: ResourcesConfig = ResourcesConfig()
    """Resources of the tasks, retries, and the lease on the output."""

    @field_validator("defaults")
    @classmethod
    def _defaults_are_of_domains(cls, value: dict[str, Any]) -> dict[str, Any]:
        refuse_unknown_keys(value, _OF_DOMAINS)
        return value

    @field_validator("domains", mode="before")
    @classmethod
    def _parse_domains(cls, value: Any, info: ValidationInfo) -> Any:
        # Not left to the union: its errors would tell of the branch that nobody meant.
        if isinstance(value, dict):  # by name, as in the file of a bank
            value = [_named(name, given) for name, given in value.items()]
        if not isinstance(value, list | tuple):
            raise ValueError(
                "expected names of the bank's domains and specifications, as [zombie, {name: "
                f"bronze, mode: text, prompt: a bronze bust}}], got {value!r}"
            )
        defaults = info.data.get("defaults", {})
        return tuple(_domain(given, index, defaults) for index, given in enumerate(value))

    @model_validator(mode="after")
    def _inversion_is_known(self) -> Self:
        # Checked here and not in InvertConfig, which is also read where methods are not installed.
        try:
            INVERSIONS.validated(self.invert.method)
        except ValueError as error:
            raise ValueError(f"invert.method: {error}") from None
        if self.invert.tune == "always":  # else there is nothing to refuse, and nothing is loaded
            INVERSIONS.get(self.invert.method).check(self.invert)
        for name in self.invert.methods:
            try:
                INVERSIONS.validated(name)
            except ValueError as error:
                raise ValueError(f"invert.methods: {error}") from None
            others = self.invert.model_copy(update={"method": name, "tune": "auto"})
            INVERSIONS.get(name).check(others)
        return self

    @model_validator(mode="after")
    def _tasks_have_one_worker(self) -> Self:
        if self.adaptation == "tasks" and self.train.num_workers > 1:
            raise ValueError("adaptation: expected ray_train where train.num_workers is over 1")
        return self

    @model_validator(mode="after")
    def _domains_are_consistent(self) -> Self:
        names = self.domain_names()
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"domains: {', '.join(twice)} named more than once")
        for domain in self.domains:
            if isinstance(domain, DomainSpec):
                for message in misfits(domain).values():
                    raise ValueError(f"domain {domain.name!r}, {message}")
                resolve(domain, self.adapt)
        return self

    @model_validator(mode="after")
    def _stages_are_a_chain(self) -> Self:
        try:
            check_chain(self.stages)
        except ItportraitError as error:
            raise ValueError(str(error)) from None
        for name in self.stages:
            if name in type(self).model_fields and name not in CHAIN:
                raise ValueError(f"stage {name!r} has the name of a section; rename the stage")
        for place, given in (
            ("options", self.options),
            ("resources.others", self.resources.others),
        ):
            for name in given:
                if name not in self.stages or name in CHAIN:
                    raise ValueError(
                        f"{place}.{name}: expected a stage of `stages` without own keys"
                    )
        for name in self.options:
            self.settings_of(name)
        return self

    def settings_of(self, stage: str) -> Settings:
        """Return the settings of a stage."""
        if stage in CHAIN:  # they alone have sections of their own
            return getattr(self, stage)
        return stage_named(stage).settings.parse(
            self.options.get(stage, {}), source=f"options.{stage}"
        )

    def domain_names(self) -> list[str]:
        """Return the names of all domains, in order."""
        return [d.name if isinstance(d, DomainSpec) else d for d in self.domains]

    def shard_size(self) -> int:
        """Return the photos of a shard: as set, or as many as the memory budget holds.

        It depends on the configuration alone and not on the machine, because another size would
        give all shards other numbers.
        """
        pictures = 2 + len(self.stylize.views_deg)  # the aligned one, its own view, the others
        each = pictures * 3 * self.align.size**2 * COPIES[self.pixels.format]
        weights_mb = INVERSIONS.get(self.invert.method).weights_mb(self.invert)
        each += int(weights_mb * 2**20) * WEIGHT_COPIES
        return min(self.ingest.shard_size, max(self.ingest.shard_mb * 2**20 // each, 1))

    def recipe(
        self,
        stage: str,
        model_id: str,
        *,
        device: str = "cpu",
        retry_failed: bool = False,
        version: BankVersion | None = None,
    ) -> Recipe:
        """Return the recipe of a stage; `version` is the style of one that has a domain.

        Raises:
            InvalidArgumentError: the adapter belongs to another base model.
            UnknownNameError: the job has no stage of that name.
        """
        if version is not None and version.base_model_id != model_id:
            raise InvalidArgumentError(
                f"domain {version.domain!r}",
                expected=f"an adapter of the base model {model_id} ({self.bundle})",
                actual=f"one of {version.base_model_id}",
                remedy="adapt it again on this bundle, or use the bundle it was made for",
            )
        if stage not in self.stages:
            raise UnknownNameError("stage of this job", stage, list(self.stages))
        definition, share = stage_named(stage), self.resources.share(stage)
        return Recipe(
            stage=stage,
            output=self.output,
            config=self.settings_of(stage).model_dump_json(),
            after=self.stages[: self.stages.index(stage)],
            bundle=self.bundle,
            model_id=model_id if definition.uses_models else "",
            domain=version.domain if version else "",
            version=version.version if version else "",
            adapter=version.uri if version else "",
            pixel_format=PixelFormat(self.pixels.format, self.pixels.quality),
            device=device,
            precision=self.resources.precision if definition.uses_models else "fp32",
            timeout_s=share.timeout_s,
            item_timeout_s=share.item_timeout_s,
            retry_failed=retry_failed,
        )

    def places(self) -> dict[str, str]:
        """Return the places that must outlast the job, by what gives them."""
        return {
            "--input": self.input,
            "--output": self.output,
            "--bank": self.bank if self.domains else "",
            "bundle": "" if self.bundle == MINI else self.bundle,
            "tracking.uri": self.tracking.uri,
            **pictures_places(self.specifications().values()),
        }

    def specifications(self) -> dict[str, DomainSpec]:
        """Return the domains that the configuration itself specifies, by name."""
        return {d.name: d for d in self.domains if isinstance(d, DomainSpec)}


def _which(domain: dict[str, Any], index: int) -> str:
    """Return what errors call a domain that is specified: its name, or its place in the list."""
    name = domain.get("name")
    return f"domain {name!r}" if name else f"domains.{index}"


def _named(name: str, given: Any) -> dict[str, Any]:
    """Return a specification that stands below its name."""
    if not isinstance(given, dict):
        raise ValueError(f"expected a specification below {name!r}, got {given!r}")
    if "name" in given:
        raise ValueError(f"the key {name!r} is the name of its domain: leave `name` out below it")
    return {"name": name, **given}


def _domain(given: Any, index: int, defaults: dict[str, Any]) -> str | DomainSpec:
    """Return a name, or a specification with the defaults under it; one that is whole stays."""
    if isinstance(given, dict):
        return DomainSpec.parse(merge(defaults, given), source=_which(given, index))
    if isinstance(given, DomainSpec):
        return given
    if isinstance(given, str):
        return check_domain(given)
    raise ValueError(f"expected names and specifications, got {given!r}")


def load_job(
    path: str | None,
    overrides: list[str] | None = None,
    *,
    domains: list[str] | None = None,
    required: tuple[str, ...] = ("input", "output"),
    **given: str,
) -> JobConfig:
    """Read a job's configuration, and lay it over the settings that come with its bundle.

    Args:
        path: YAML file or URI, or the name of a shipped one; None: defaults. Relative references
            are taken from its folder.
        overrides: dotted `key=value` items; one counts in place of what is `given`.
        domains: names to take, in this order: those that the file specifies, others by name from
            the bank; None takes all of the file.
        required: places that must be given.
        given: `input`, `output`, `bank`, `bundle` from the command line; empty ones are left to
            the file.

    Raises:
        UnknownNameError: no configuration of that name comes with the package.
        NoInputError: there is no such file, or the bundle's settings cannot be read.
        InvalidArgumentError: names every offending key; or input or output are missing, or a place
            would be lost with the job.
    """
    path = find_config(path) if path else None
    source, file = path or "configuration", read_mapping(path) if path else {}
    options = {name: value for name, value in given.items() if value}

    def read(items: list[str]) -> tuple[Layers, JobConfig]:
        layers = lay(
            JobConfig,
            file,
            items,
            bundle_key="bundle",
            of_domains=_OF_DOMAINS,
            options=options,
        )
        return layers, JobConfig.parse(layers.merged(), source=source)

    layers, config = read_naming_set(read, overrides or [], source)
    if domains is not None:
        layers = replace(layers, command_line={**layers.command_line, "domains": domains})
        known = config.specifications()
        chosen = tuple(known.get(name) or check_domain(name) for name in domains)
        config = config.model_copy(update={"domains": chosen})
    config = config.laid_from(layers)
    for name in required:
        if not getattr(config, name):
            raise InvalidArgumentError(
                f"--{name}",
                expected="a folder or URI",
                actual="nothing",
                remedy=f"or set `{name}:` in {path or 'a configuration (--config)'}",
            )
    folder = path.rpartition("/")[0] if path and "/" in path else "."
    config = config.model_copy(update=_absolute_places(config, folder))
    refuse_temporary(config.places())
    return config


def _absolute_places(config: JobConfig, folder: str) -> dict[str, Any]:
    """Make local paths absolute: Ray's workers run in other folders."""
    bank = config.bank or uris.join(config.output or ".", "bank")
    domains = tuple(d.rooted(folder) if isinstance(d, DomainSpec) else d for d in config.domains)
    return {
        "input": uris.absolute(config.input),
        "output": uris.absolute(config.output),
        "bank": uris.absolute(bank),
        "bundle": absolute_bundle(config.bundle),
        "domains": domains,
    }
