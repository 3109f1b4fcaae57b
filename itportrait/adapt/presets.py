"""Laying settings over others, as presets, files and options are."""

from collections.abc import Mapping
from typing import Any, TypeGuard


def merge(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `patch` laid over it, mapping by mapping."""
    merged = dict(base)
    for key, value in patch.items():
        inner = merged.get(key)
        merged[key] = merge(inner, value) if is_section(inner) and is_section(value) else value
    return merged


def is_section(value: object) -> TypeGuard[dict[str, Any]]:
    """Return whether a value is a mapping of settings."""
    return isinstance(value, dict)
