"""Sections that a file names and leaves empty: they say nothing, and lie over nothing."""

from collections.abc import Mapping
from typing import Any, get_args, get_origin

from itportrait.config import Settings, is_section
from itportrait.configuration.layers import DEFAULTS
from itportrait.errors import InvalidArgumentError


def without_empty_sections(kind: type[Settings], data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a configuration without its empty sections, at any depth.

    YAML reads a key without a value, such as one whose lines are all comments, as null. For a
    section this is none given; what is no section keeps its null, which may be a value, and so does
    a section that must be given.

    Args:
        kind: the configuration.
        data: its content, which is not checked yet.
    """
    found = _without_empty(kind, data)
    if found.get(DEFAULTS, {}) is None:  # some configurations read it apart from their own fields
        del found[DEFAULTS]
    return found


def refuse_list_of_domains(domains: Any, source: str) -> None:
    """Refuse domains in a list where they stand by name, and show that form.

    Raises:
        InvalidArgumentError: they are a list.
    """
    if isinstance(domains, list):
        raise InvalidArgumentError(
            f"domains of {source}",
            expected="a mapping by name, as\n  domains:\n    bronze: {prompt: a bronze bust}\n",
            actual="a list",
        )


def _without_empty(kind: type[Settings], data: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in data.items():
        field = kind.model_fields.get(key)
        inner = field.annotation if field else None
        settings = inner if isinstance(inner, type) and issubclass(inner, Settings) else None
        if value is None and field and not field.is_required():
            if settings or get_origin(inner) is dict:
                continue
        elif is_section(value) and settings:
            value = _without_empty(settings, value)
        elif is_section(value) and _holds_sections(inner):
            value = {name: section for name, section in value.items() if section is not None}
        found[key] = value
    return found


def _holds_sections(annotation: Any) -> bool:
    """Return whether a setting is a mapping of plain sections by name, such as those of methods."""
    values = get_args(annotation)[1:]
    return get_origin(annotation) is dict and get_origin(*values) is dict
