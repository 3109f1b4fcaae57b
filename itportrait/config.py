"""Settings: frozen, validated at construction, overridable by dotted keys, with a fingerprint."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, TypeGuard

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from itportrait.errors import InvalidArgumentError, InvalidSettingsError, UnknownNameError, valid
from itportrait.yaml_lines import pydantic_problems, read_yaml


def refuse_unknown_keys(data: Iterable[Any], known: Collection[str]) -> None:
    """Refuse keys that are not known, within a validator.

    Raises:
        ValueError: there is one; lists the known ones.
    """
    for key in data:
        if key not in known:
            raise ValueError(str(UnknownNameError("key", str(key), list(known))))


class Settings(BaseModel):
    """Base of every configuration: frozen; an unknown key is an error that lists the known ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    former_names: ClassVar[dict[str, str]] = {}
    """Keys of earlier releases and their present names; files with former keys are still read."""
    set_elsewhere: ClassVar[dict[str, str]] = {}
    """Keys that people look for here, and an example of where they stand."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            data = cls._renamed(data)
            for key in data.keys() & cls.set_elsewhere:
                raise ValueError(f"{key} stands elsewhere: {cls.set_elsewhere[key]}")
            refuse_unknown_keys(data, cls.model_fields)
        return data

    @classmethod
    def _renamed(cls, data: dict[Any, Any]) -> dict[Any, Any]:
        for former, name in cls.former_names.items():
            if former in data and name in data:
                raise ValueError(f"{former} is the former name of {name}: leave one of them out")
        return {cls.former_names.get(key, key): value for key, value in data.items()}

    @classmethod
    def parse(cls, data: dict[str, Any], *, source: str = "configuration") -> Self:
        """Build from plain data, with all errors at once.

        Raises:
            InvalidSettingsError: names every offending key, and what was expected of it.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            problems = [
                f"{'.'.join(map(str, path))}: {text}" if path else text
                for path, text in pydantic_problems(error)
            ]
            raise InvalidSettingsError(
                source, expected=valid(cls), actual="; ".join(problems)
            ) from None

    @classmethod
    def load(cls, path: str | Path, overrides: list[str] | None = None) -> Self:
        """Read a YAML file and apply `key.subkey=value` overrides (values are YAML).

        Raises:
            InvalidArgumentError: the file is not a mapping, or a value does not validate.
        """
        data = read_yaml(Path(path).read_bytes(), source=str(path)) or {}
        if not isinstance(data, dict):
            raise InvalidArgumentError(
                str(path), expected="a YAML mapping", actual=type(data).__name__
            )
        return cls.parse(apply_overrides(data, overrides or []), source=str(path))


def apply_overrides(data: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """Return a copy of `data` with dotted `key=value` items set; the keys are checked by `parse`.

    Where a list holds sections with a `name`, such as the domains of a job, the name is the key.

    Raises:
        InvalidArgumentError: an item is not of the form `key=value`, its path crosses a scalar, or
            names no section of a list.
    """
    result = json.loads(json.dumps(data))
    for item in overrides:
        path, equals, value = item.partition("=")
        if not equals or not path:
            raise InvalidArgumentError(
                "--set",
                expected="key.subkey=value",
                actual=repr(item),
                remedy="e.g. ingest.shard_size=4",
            )
        node = result
        *parents, leaf = path.split(".")
        for above, name in zip(["", *parents], parents, strict=False):
            node = _inner(node, name, above, item)
        if not isinstance(node, dict):
            raise _no_section(parents[-1], item)
        node[leaf] = read_yaml(value, source=f"--set {path}")
    return result


def _inner(node: Any, name: str, above: str, item: str) -> Any:
    """Return what stands under a name: in a section, or in a list of sections that have names."""
    if is_section(node):
        return node.setdefault(name, {})
    if not isinstance(node, list):
        raise _no_section(above, item)
    named = {str(one["name"]): one for one in node if is_section(one) and "name" in one}
    if name not in named:
        raise InvalidArgumentError(
            "--set",
            expected=f"one of {', '.join(sorted(named)) or 'no specifications'} below {above!r}",
            actual=repr(item),
            remedy="a name alone, without a specification here, has no settings",
        )
    return named[name]


def _no_section(name: str, item: str) -> InvalidArgumentError:
    return InvalidArgumentError("--set", expected=f"a section at {name!r}", actual=repr(item))


def merge(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `patch` laid over it: sections key by key, all else is replaced."""
    merged = dict(base)
    for key, value in patch.items():
        inner = merged.get(key)
        merged[key] = merge(inner, value) if is_section(inner) and is_section(value) else value
    return merged


def is_section(value: object) -> TypeGuard[dict[str, Any]]:
    """Return whether a value is a mapping of settings."""
    return isinstance(value, dict)


def fingerprint(*parts: Any) -> str:
    """Return 16 hexadecimal digits that change when any of the parts does.

    Args:
        parts: settings, bytes (contents), ids, versions: whatever JSON can hold.
    """

    def plain(value: Any) -> Any:
        if isinstance(value, BaseModel):
            return value.model_dump(mode="json")
        if isinstance(value, bytes):
            return hashlib.sha256(value).hexdigest()
        raise TypeError(
            f"a fingerprint takes JSON values, settings and bytes, got {type(value).__name__}"
        )

    text = json.dumps(parts, sort_keys=True, default=plain, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
