"""The specification of a style bank: YAML with inherited defaults, validated whole, with lines."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, Field, ValidationError

from itportrait.adapt import AdaptConfig, DomainSpec, misfits, resolve
from itportrait.adapt.domain import pictures_places
from itportrait.align.config import AlignConfig
from itportrait.bank.gate import GateConfig
from itportrait.bundle.places import MINI
from itportrait.config import merge
from itportrait.configuration.blame import read_naming_set
from itportrait.configuration.layers import LayeredSettings, Layers
from itportrait.configuration.laying import lay
from itportrait.configuration.shipped import find_config
from itportrait.errors import InvalidArgumentError, UnknownNameError
from itportrait.evaluate import EvaluationProbeConfig
from itportrait.io import uris
from itportrait.picture_sets.names import check_drawn, is_drawn, rooted
from itportrait.training.domain_job import TrainConfig
from itportrait.yaml_lines import (
    MOST_BYTES,
    Document,
    Problem,
    SpecError,
    load_yaml,
    pydantic_problems,
)

MAPPING_OF_DOMAINS = """a mapping of at least one domain by name, as
  domains:
    bronze: {mode: text, prompt: a bronze bust}"""
"""What errors expect under `domains` of a bank."""
YamlPath = tuple[str | int, ...]


class _HasTruth(Protocol):
    @property
    def truth(self) -> str | None: ...


def truth_places(domains: Mapping[str, _HasTruth]) -> dict[str, str]:
    """Return the places of the true pictures that scores read, by what gives them."""
    return {
        f"truth of domain {name!r}": domain.truth
        for name, domain in domains.items()
        if domain.truth and not is_drawn(domain.truth)
    }


class BankDomain(DomainSpec):
    """A style domain of a bank."""

    truth: Annotated[str | None, AfterValidator(check_drawn)] = None
    """Folder or URI of true, aligned pictures of the domain, or `mini:NAME` for procedural renders.
    They serve the metric KID only: no training sees them, and another truth does not make the
    domain anew."""

    def spec(self) -> DomainSpec:
        """Return what the adaptation needs of it."""
        return DomainSpec.model_validate(self.model_dump(exclude={"truth"}))


class BankSpec(LayeredSettings):
    """A bank: the base model, the domains, and how they are adapted, judged and published."""

    base: str = MINI
    """Model bundle that the domains are adapted from: `mini`, a folder, or a URI. Its
    `settings.yaml`, where it has one, lies under the bank's own settings."""
    domains: dict[str, BankDomain] = Field(min_length=1)
    """Style domains by name."""
    adapt: AdaptConfig = Field(default_factory=AdaptConfig)
    """How domains are adapted. A domain's own `options` override it."""
    align: AlignConfig = Field(default_factory=AlignConfig)
    """How reference pictures are aligned."""
    probe: EvaluationProbeConfig = Field(default_factory=EvaluationProbeConfig)
    """The portraits on which candidates and champions are compared."""
    gate: GateConfig = Field(default_factory=GateConfig)
    """When a candidate becomes champion."""
    train: TrainConfig = Field(default_factory=TrainConfig)
    """Workers, retries and time limit of a domain's training."""

    def check_names(self, names: Iterable[str]) -> None:
        """Refuse a name that is no domain of the bank.

        Raises:
            UnknownNameError: lists the known ones.
        """
        for name in names:
            if name not in self.domains:
                raise UnknownNameError("domain", name, list(self.domains))

    def for_names(self) -> dict[str, Any]:
        """Return what names of builds are made of."""
        return self.model_dump(mode="json") | {"gate": self.gate.for_names()}

    def places(self) -> dict[str, str]:
        """Return the places that must outlast a build, by what gives them."""
        base = {"base": "" if self.base == MINI else self.base}
        return base | pictures_places(self.domains.values()) | truth_places(self.domains)


def load_bank_spec(path: str | Path, overrides: list[str] | None = None) -> BankSpec:
    """Read a specification; relative paths in it are taken from its own folder.

    Args:
        path: file or URI, or the name of a shipped one.
        overrides: `key.subkey=value` items, such as `defaults.steps=40` or
            `domains.bronze.prompt="a bronze bust"`. A relative `base` among them is taken from the
            working folder.

    Raises:
        SpecError: all problems at once, each with its line.
        UnknownNameError: no configuration of that name comes with the package.
        NoInputError: the base's settings cannot be read.
        InvalidArgumentError: there is no such file, or the base's settings are not valid.
    """
    source = find_config(str(path))
    try:
        text = uris.read_bytes(source, most=MOST_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(
            "--config",
            expected="a readable YAML file",
            actual=f"{uris.redact(source)} ({uris.why_unread(error)})",
        ) from None
    folder = source.rpartition("/")[0] if "/" in source else "."
    return parse_bank_spec(text, overrides or [], source=source, folder=folder)


def parse_bank_spec(
    text: str, overrides: list[str] | None = None, *, source: str = "spec", folder: str = "."
) -> BankSpec:
    """Validate the text of a specification; see `load_bank_spec`."""
    document = load_yaml(text, source=source)

    def read(items: list[str]) -> BankSpec:
        return _parse(document, items, source, folder)

    return read_naming_set(read, overrides or [], source)


def _parse(document: Document, overrides: list[str], source: str, folder: str) -> BankSpec:
    if not isinstance(document.data, dict):
        kind = type(document.data).__name__
        raise SpecError(source, [Problem(1, "", f"expected a YAML mapping, got {kind}")])
    problems = list(document.duplicates)
    layers = _layers(document.data, overrides, folder)
    data = layers.merged()
    defaults, domains = data.pop("defaults", None) or {}, data.pop("domains", None)
    shared = _shared_settings(data, document, problems)
    adapt = shared.adapt if shared else _adapt_alone(data)
    problems += _default_problems(defaults, document)
    if not isinstance(defaults, dict):  # reported above; each domain is checked without them
        defaults = {}
    validated = {}
    if not isinstance(domains, dict) or not domains:
        line = document.line(("domains",))
        came = {list: "a list", dict: "an empty one"}.get(type(domains), repr(domains))
        problems.append(Problem(line, "domains", f"expected {MAPPING_OF_DOMAINS}\n  got {came}"))
    else:
        for name, body in domains.items():
            domain = _domain(str(name), body, defaults, document, problems)
            if domain is not None:
                validated[str(name)] = _rooted(domain, folder)
                _check_meaning(domain, adapt, document, problems)
    if problems or shared is None:
        raise SpecError(source, problems)
    return shared.model_copy(update={"domains": validated}).laid_from(layers)


def _layers(data: dict[str, Any], overrides: list[str], folder: str) -> Layers:
    """Return what the bundle, the file and the command line say."""
    base = data.get("base")
    if isinstance(base, str) and base != MINI:
        data = data | {"base": uris.rooted(base, folder)}
    return lay(
        BankSpec,
        data,
        overrides,
        bundle_key="base",
        of_domains=DomainSpec.model_fields,
    )


def _shared_settings(
    data: dict[str, Any], document: Document, problems: list[Problem]
) -> BankSpec | None:
    """Validate all but the domains, which a placeholder stands for."""
    known = [*BankSpec.model_fields, "defaults"]
    for key in [key for key in data if key not in known]:
        del data[key]
        message = str(UnknownNameError("key", key, known))
        problems.append(Problem(document.line((key,)), "", message))
    placeholder = {"name": "placeholder", "mode": "text", "prompt": "placeholder"}
    try:
        return BankSpec.model_validate({**data, "domains": {"placeholder": placeholder}})
    except ValidationError as error:
        for path, message in pydantic_problems(error):
            place = ".".join(str(part) for part in path)
            problems.append(Problem(document.line(path), place, message))
        return None


def _adapt_alone(data: dict[str, Any]) -> AdaptConfig | None:
    """Return the shared adaptation settings where other sections have errors, not they."""
    try:
        return AdaptConfig.model_validate(data.get("adapt") or {})
    except ValidationError:
        return None


def _default_problems(defaults: Any, document: Document) -> list[Problem]:
    if not isinstance(defaults, dict):
        return [Problem(document.line(("defaults",)), "defaults", "expected a mapping")]
    known = [name for name in BankDomain.model_fields if name != "name"]
    return [
        Problem(
            document.line(("defaults", key)),
            "defaults",
            str(UnknownNameError("key", key, known)),
        )
        for key in defaults
        if key not in known
    ]


def _domain(
    name: str,
    body: Any,
    defaults: dict[str, Any],
    document: Document,
    problems: list[Problem],
) -> BankDomain | None:
    """Validate one domain over the defaults; each error is reported at the line of its cause."""
    here: YamlPath = ("domains", name)
    if not isinstance(body, dict):
        problems.append(Problem(document.line(here), f"domain {name!r}", "expected a mapping"))
        return None
    if "name" in body:
        line = document.line((*here, "name"))
        message = "the key above is the name: leave `name` out"
        problems.append(Problem(line, f"domain {name!r}", message))
        return None
    fields = [field for field in BankDomain.model_fields if field != "name"]
    for key in [key for key in body if key not in fields]:
        message = str(UnknownNameError("key", key, fields))
        problems.append(Problem(document.line((*here, key)), f"domain {name!r}", message))
    known = {key: value for key, value in defaults.items() if key in fields}
    own = {key: value for key, value in body.items() if key in fields}
    try:
        return BankDomain.model_validate({**merge(known, own), "name": name})
    except ValidationError as error:
        for path, message in pydantic_problems(error):
            in_body = bool(path) and str(path[0]) in body
            inherited = bool(path) and not in_body and str(path[0]) in known
            where: YamlPath = ("defaults", *path) if inherited else (*here, *path)
            place = f"domain {name!r}" if not path else f"domain {name!r}, {path[0]}"
            problems.append(
                Problem(document.line(where), "defaults" if inherited else place, message)
            )
        return None


def _check_meaning(
    domain: BankDomain, adapt: AdaptConfig | None, document: Document, problems: list[Problem]
) -> None:
    """Check what needs more than one field: method, layers, options over the shared settings."""

    def report(key: str, message: str) -> None:
        own: YamlPath = ("domains", domain.name, key)
        line = document.lines.get(own) or document.line(("defaults", key)) or document.line(own)
        problems.append(Problem(line, f"domain {domain.name!r}, {key}", message))

    problems_of_domain = misfits(domain)
    for key, message in problems_of_domain.items():
        report(key, message)
    if adapt is not None and "method" not in problems_of_domain:
        try:
            resolve(domain, adapt)
        except InvalidArgumentError as error:
            report("options", str(error.actual))


def _rooted(domain: BankDomain, folder: str) -> BankDomain:
    """Return the domain with its relative paths taken from the specification's folder."""
    truth = rooted(domain.truth, folder)
    return domain.rooted(folder).model_copy(update={"truth": truth})
