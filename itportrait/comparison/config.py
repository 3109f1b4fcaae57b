"""The configuration of a comparison: portraits, methods, domains, seeds, and measures."""

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from itportrait.adapt.config import AdaptConfig
from itportrait.adapt.domain import DomainName, Mode
from itportrait.adapt.methods import METHODS, config_of
from itportrait.align.config import AlignConfig
from itportrait.bundle.places import MINI, absolute_bundle
from itportrait.config import Settings, merge
from itportrait.configuration.blame import read_naming_set
from itportrait.configuration.layers import LayeredSettings
from itportrait.configuration.laying import lay
from itportrait.configuration.places import refuse_temporary
from itportrait.configuration.sections import refuse_list_of_domains
from itportrait.configuration.shipped import find_config
from itportrait.configuration.yaml_files import read_mapping
from itportrait.errors import InvalidArgumentError, UnknownNameError
from itportrait.invert.config import InvertConfig
from itportrait.io import uris
from itportrait.jobs.bank.spec import truth_places
from itportrait.picture_sets.names import DRAWN, check_drawn, is_drawn, rooted
from itportrait.training.domain_job import TrainConfig

LONGEST_LABEL = 64
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


def _check_label(label: str) -> str:
    if not _LABEL.fullmatch(label) or len(label) > LONGEST_LABEL:
        raise ValueError(
            f"expected letters, digits and ._+- (a letter or digit first, {LONGEST_LABEL} at "
            f"most), got {label!r}"
        )
    return label


Label = Annotated[str, AfterValidator(_check_label)]


class Variant(Settings):
    """A method with settings, under a label of its own: what is compared."""

    method: str = ""
    """Name of the adaptation method. Empty means the label itself."""
    mode: Mode | None = None
    """What guides the method: `image`, `text` or `image_text`. None means the richest that the
    method accepts and the domain can give."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Overrides of the method's settings, nested or with dotted keys; see `DomainSpec.options`."""
    steps: int | None = Field(default=None, ge=1)
    """Upper bound of the optimization steps. None means that of the domain."""
    strength: float = Field(default=1.0, ge=0)
    """Strength of the style: 0 is the base generator, 1 the domain, more goes beyond it. Variants
    that differ in it alone share their adaptation."""
    domains: tuple[str, ...] | None = None
    """Names of the domains that it is compared in. None means all."""


class DomainSettings(Settings):
    """A style domain: what methods may be guided by, and its truth."""

    set_elsewhere: ClassVar[dict[str, str]] = {"mode": "`methods: {itportrait: {mode: text}}`"}
    prompt: str | None = None
    """What the portraits become, in words. Methods are guided by it in the modes with text, and
    results of all modes are scored by it."""
    source_prompt: str = "Photo"
    """What the portraits are before the adaptation, in words."""
    references: tuple[str, ...] = ()
    """URIs of style pictures. Methods are guided by them in the modes with images, and results of
    all modes are scored by them."""
    pictures: Annotated[str | None, AfterValidator(check_drawn)] = None
    """A whole set of pictures, for methods that are guided by sets: folder or URI of an aligned
    table, or `mini:NAME` for drawn pictures; see `DomainSpec.pictures`."""
    pictures_count: int = Field(default=64, ge=1)
    """Number of pictures that are drawn for `mini:NAME`."""
    truth: Annotated[str | None, AfterValidator(check_drawn)] = None
    """Folder or URI of true, aligned pictures of the domain, or `mini:NAME` for drawn ones. With
    the latter, drawn people are also compared with their own true stylization. No training sees
    it."""
    license: str = ""
    """License of the reference pictures."""
    steps: int = Field(default=401, ge=1)
    """Upper bound of the optimization steps, unless a variant has its own."""
    train: str = "synthesis_sr"
    """Preset of the layers that are trained; see `DomainSpec.train`."""

    @model_validator(mode="after")
    def _is_described(self) -> Self:
        if not self.prompt and not self.references and not self.pictures:
            raise ValueError("expected a prompt, references, or pictures")
        return self


class MeasuresConfig(Settings):
    """How the results are scored, alike for all methods."""

    side_deg: float = Field(default=30.0, gt=0)
    """Yaw in degrees of the two views beside the frontal one, for view consistency."""
    truth_count: int = Field(default=96, ge=2)
    """Number of drawn pictures of the truth for KID and FID."""
    features: Literal["perceptual", "inception"] = "perceptual"
    """Network whose features KID and FID compare: `perceptual` is the bundle's own; `inception`
    needs its weights on every machine."""
    kid_subsets: int = Field(default=20, ge=1)
    """Number of random subsets over which KID is averaged."""
    kid_subset_size: int = Field(default=24, ge=2)
    """Number of pictures in a subset."""
    batch_size: int = Field(default=8, ge=1)
    """Number of portraits rendered at once."""
    seed: int = Field(default=2304, ge=0)
    """Seed of KID's subsets."""


class ComparisonConfig(LayeredSettings):
    """The whole of `workflows/compare_methods.py`."""

    base: str = MINI
    """Model bundle that is adapted: `mini`, a folder, or a URI. Its `settings.yaml`, where it has
    one, lies under the comparison's own settings."""
    output: str = ""
    """Folder or URI to which the comparison writes. A later run with the same output computes only
    what is missing or changed."""
    portraits: str = "mini:8"
    """People that are stylized: `mini:COUNT` for drawn people whom no network has seen, with their
    truth; or a folder, glob, list file, table or archive of photos."""
    portraits_per_task: int = Field(default=8, ge=1)
    """Number of portraits that one task stylizes; also what a killed process can cost."""
    methods: dict[Label, Variant] = Field(min_length=1)
    """What is compared, by label."""
    reference: str | None = None
    """Label to which all others are compared: `difference` in the table of scores is another
    label's value less this one's. None is `itportrait`, and where no label has this name, there are
    no differences."""
    domains: dict[DomainName, DomainSettings] = Field(min_length=1)
    """Style domains by name."""
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    """Seeds of the adaptations; every one gives a style of its own."""
    align: AlignConfig = AlignConfig()
    """How photos and reference pictures are aligned."""
    invert: InvertConfig = InvertConfig()
    """How portraits become codes of the generator."""
    adapt: AdaptConfig = AdaptConfig()
    """How domains are adapted. Options of a variant override it."""
    measures: MeasuresConfig = MeasuresConfig()
    """How the results are scored."""
    adaptation: Literal["ray_train", "tasks"] = "ray_train"
    """What runs the adaptations. `ray_train` may have several workers, and starts processes of its
    own for every adaptation. `tasks` adapts in one process whose models stay loaded: for small
    models. Both go on from the last probed step."""
    train: TrainConfig = TrainConfig()
    """Resources of an adaptation and of a task of scores, retries and time limit."""
    page_portraits: int = Field(default=8, ge=0)
    """Number of portraits that the page shows; 0 makes no page."""

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value) or min(value) < 0:
            raise ValueError(f"expected different numbers, 0 or more, got {list(value)}")
        return value

    @field_validator("portraits")
    @classmethod
    def _drawn_count_is_a_number(cls, value: str) -> str:
        count = value.removeprefix(DRAWN)
        if is_drawn(value) and not (count.isdecimal() and int(count) >= 2):
            raise ValueError(f"expected {DRAWN}COUNT with at least 2 people, got {value!r}")
        return value

    @model_validator(mode="after")
    def _variants_are_known(self) -> Self:
        for label, variant in self.methods.items():
            name = variant.method or label
            METHODS.validated(name)
            modes = config_of(name).modes
            if variant.mode is not None and variant.mode not in modes:
                known = " or ".join(sorted(modes))
                raise ValueError(f"methods.{label}.mode: expected {known}, got {variant.mode!r}")
            for domain in variant.domains or ():
                if domain not in self.domains:
                    error = UnknownNameError("domain", domain, list(self.domains))
                    raise ValueError(f"methods.{label}.domains: {error}")
        return self

    @model_validator(mode="after")
    def _reference_is_known(self) -> Self:
        if self.reference is not None and self.reference not in self.methods:
            raise ValueError(
                f"reference: {UnknownNameError('label', self.reference, list(self.methods))}"
            )
        return self

    @property
    def compared_with(self) -> str:
        """Return the label from which differences are taken; maybe no method has it."""
        return self.reference or "itportrait"

    @property
    def drawn(self) -> int | None:
        """Return the number of drawn people, or None where the portraits are photos."""
        return int(self.portraits[len(DRAWN) :]) if is_drawn(self.portraits) else None

    def places(self) -> dict[str, str]:
        """Return the places that must outlast the job, by what gives them."""
        sets = {
            f"pictures of domain {name!r}": domain.pictures
            for name, domain in self.domains.items()
            if domain.pictures and not is_drawn(domain.pictures)
        }
        return {
            "--output": self.output,
            "portraits": "" if self.drawn else self.portraits,
            "base": "" if self.base == MINI else self.base,
            **sets,
            **truth_places(self.domains),
        }


def load_comparison(
    path: str, overrides: list[str] | None = None, *, output: str = ""
) -> ComparisonConfig:
    """Read a comparison; relative reference pictures are taken from its folder.

    Args:
        path: YAML file or URI, or the name of a shipped one. Its `defaults` lie under every domain.
        overrides: dotted `key=value` items; one counts in place of the option of its key.
        output: from the command line; empty leaves it to the file.

    Raises:
        UnknownNameError: no configuration of that name comes with the package.
        NoInputError: there is no such file, or the base's settings cannot be read.
        InvalidArgumentError: names every offending key; or the output is missing, or a place would
            be lost with the job.
    """
    path = find_config(path)
    file = read_mapping(path)

    def read(items: list[str]) -> ComparisonConfig:
        layers = lay(
            ComparisonConfig,
            file,
            items,
            bundle_key="base",
            of_domains=DomainSettings.model_fields,
            options={"output": output} if output else {},
        )
        return parse_comparison(layers.merged(), source=path).laid_from(layers)

    config = read_naming_set(read, overrides or [], path)
    if not config.output:
        raise InvalidArgumentError(
            "--output",
            expected="a folder or URI",
            actual="nothing",
            remedy=f"or set `output:` in {path}",
        )
    folder = path.rpartition("/")[0] if "/" in path else "."
    config = config.model_copy(update=_absolute_places(config, folder))
    refuse_temporary(config.places())
    return config


def parse_comparison(data: dict[str, Any], *, source: str = "comparison") -> ComparisonConfig:
    """Validate the content of a configuration, with its `defaults` laid under every domain.

    Raises:
        InvalidArgumentError: names every offending key.
    """
    data = dict(data)
    defaults, domains = data.pop("defaults", None) or {}, data.get("domains")
    if not isinstance(defaults, dict):
        raise InvalidArgumentError(
            f"defaults of {source}", expected="a mapping", actual=type(defaults).__name__
        )
    refuse_list_of_domains(domains, source)
    if isinstance(domains, dict):
        data["domains"] = {
            name: merge(defaults, body) if isinstance(body, dict) else body
            for name, body in domains.items()
        }
    return ComparisonConfig.parse(data, source=source)


def _absolute_places(config: ComparisonConfig, folder: str) -> dict[str, Any]:
    """Make local paths absolute: Ray's workers run in other folders."""
    domains = {
        name: domain.model_copy(
            update={
                "references": tuple(uris.rooted(uri, folder) for uri in domain.references),
                "pictures": rooted(domain.pictures, folder),
                "truth": rooted(domain.truth, folder),
            }
        )
        for name, domain in config.domains.items()
    }
    return {
        "output": uris.absolute(config.output),
        "portraits": config.portraits if config.drawn else uris.absolute(config.portraits),
        "base": absolute_bundle(config.base),
        "domains": domains,
    }
