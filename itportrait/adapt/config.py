"""How domains are adapted: the settings of all methods in one section, and those of one domain."""

from typing import Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from itportrait.adapt.domain import DomainSpec, Input
from itportrait.adapt.layers import LAYER_PRESETS
from itportrait.adapt.methods import METHODS, config_of
from itportrait.adapt.methods.itportrait.config import ItportraitConfig
from itportrait.adapt.settings import MethodConfig
from itportrait.config import is_section, merge
from itportrait.errors import InvalidArgumentError, UnknownNameError


class AdaptConfig(ItportraitConfig):
    """Everything about adaptations that is not a domain's own.

    The settings of the method `itportrait` stand directly in this section, as they did when it was
    the only one; those that other methods share with it count for them too.
    """

    methods: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings of other methods, by the method's name; the method's documentation lists them."""

    @model_validator(mode="after")
    def _methods_have_their_settings(self) -> Self:
        for name in self.methods:
            METHODS.validated(name)
            if config_of(name) is ItportraitConfig:
                raise ValueError(f"methods.{name}: its settings stand directly under `adapt`")
            config_of(name).parse(self.given_to(name), source=f"methods.{name}")
        return self

    @model_serializer(mode="wrap")
    def _leave_out_no_methods(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Digests are made of serialized settings, and the first release knew no other methods.
        data: dict[str, Any] = handler(self)
        return data if data.get("methods") else {k: v for k, v in data.items() if k != "methods"}

    def given_to(self, method: str) -> dict[str, Any]:
        """Return the settings that a method is given here, as plain data.

        What other methods share with `itportrait` counts for them where it is not as usual here;
        elsewhere they have their own defaults.
        """
        kind = config_of(method)
        kinds = type(self).__mro__
        shared = next(k for k in kinds if issubclass(k, MethodConfig) and issubclass(kind, k))
        fields = set(shared.model_fields)
        given = self.model_dump(mode="json", include=fields)
        if kind is not ItportraitConfig:
            usual = type(self)(preset=self.preset).model_dump(mode="json", include=fields)
            given = {**_differences(given, usual), "preset": self.preset}
        return merge(given, self.methods.get(method, {}))


def _differences(given: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that are not as usual, section by section."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        if is_section(value) and is_section(usual[key]):
            if inner := _differences(value, usual[key]):
                found[key] = inner
        elif value != usual[key]:
            found[key] = value
    return found


def resolve(spec: DomainSpec, config: AdaptConfig) -> MethodConfig:
    """Return the settings of the domain's method, with the domain's `options` laid over them.

    Raises:
        UnknownNameError: no such method.
        InvalidArgumentError: an option is unknown or invalid; names it and the known ones.
    """
    source = f"options of domain {spec.name!r}"
    kind = config_of(spec.method)
    data = kind.parse(config.given_to(spec.method), source="adapt").model_dump(mode="json")
    if "preset" in spec.options:
        raise InvalidArgumentError(
            source,
            expected=f"settings of method {spec.method!r}",
            actual="'preset'",
            remedy="a preset is chosen for all domains, under `adapt`",
        )
    for key, value in spec.options.items():
        *parents, leaf = key.split(".")
        node = data
        for name in parents:
            inner = node.get(name)
            if not is_section(inner):
                raise InvalidArgumentError(
                    source,
                    expected=f"settings of method {spec.method!r} with a section {name!r}",
                    actual=repr(key),
                )
            node = inner
        node.update(merge({leaf: node.get(leaf)}, {leaf: value}))
    return kind.parse(data, source=source)


def check_fit(spec: DomainSpec) -> None:
    """Refuse a domain that its method cannot be guided by.

    Raises:
        UnknownNameError: no such method.
        InvalidArgumentError: the method takes no such input, or cannot train such layers.
    """
    _check_guides(spec)
    _check_layers(spec)


def _check_guides(spec: DomainSpec) -> None:
    accepted, modes = config_of(spec.method).accepts, config_of(spec.method).modes
    if spec.mode not in modes:
        raise InvalidArgumentError(
            f"mode of domain {spec.name!r}",
            expected=f"{' or '.join(sorted(modes))} with method {spec.method!r}",
            actual=repr(spec.mode),
            remedy="choose another mode or method",
        )
    if not spec.inputs <= accepted:
        raise InvalidArgumentError(
            f"mode of domain {spec.name!r}",
            expected=f"one that gives method {spec.method!r} of {', '.join(sorted(accepted))}",
            actual=f"{spec.mode!r} with {len(spec.references)} references, which gives it "
            f"{', '.join(sorted(spec.inputs))}",
            remedy=_remedy(spec, accepted),
        )


def _check_layers(spec: DomainSpec) -> None:
    trains = config_of(spec.method).trains
    if trains is not None and spec.train not in trains:
        raise InvalidArgumentError(
            f"train of domain {spec.name!r}",
            expected=f"{' or '.join(sorted(trains))} with method {spec.method!r}",
            actual=repr(spec.train),
            remedy="other layers leave out what the method deforms scenes with; choose one of "
            "these, or another method",
        )


def _remedy(spec: DomainSpec, accepted: frozenset[Input]) -> str:
    """Return what to do about a domain that gives its method something that it does not take."""
    if "set" in spec.inputs - accepted:
        return "leave `pictures` out, or choose a method that is guided by sets of pictures"
    if "set" in accepted:
        return (
            "give the domain `pictures` in place of references: an aligned table, such as "
            "OUT/aligned that `itportrait align` writes; or choose another method"
        )
    return "choose another mode or method"


def misfits(spec: DomainSpec) -> dict[str, str]:
    """Return what keeps a domain from being adapted here, by key; {} if nothing does.

    Apart from validation, because a card of a bank may name a method that is not installed here,
    and its version can be used all the same.
    """
    problems: dict[str, str] = {}
    try:
        METHODS.validated(spec.method)
        _check_guides(spec)
    except InvalidArgumentError as error:
        problems["mode"] = str(error)
    except ValueError as error:
        problems["method"] = str(error)
    if spec.train not in LAYER_PRESETS:
        known = list(LAYER_PRESETS)
        problems["train"] = str(UnknownNameError("layer preset", spec.train, known))
    elif "method" not in problems:
        try:
            _check_layers(spec)
        except InvalidArgumentError as error:
            problems["train"] = str(error)
    return problems
