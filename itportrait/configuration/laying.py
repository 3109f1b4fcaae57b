"""Lay what a job is told over what comes with its bundle: the same way for every kind of job.

The order is: the bundle's settings, the file, options of the command line such as `--bundle`, and
`--set`. A bundle that the command line names by a relative path is taken from the working folder.

What a bundle says fits what it chooses itself. Where file or command line choose another preset of
adaptations, its section `adapt` does not count, and where they choose another inversion method,
neither do its settings of methods.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from itportrait.adapt.config import AdaptConfig
from itportrait.bundle.places import MINI, absolute_bundle
from itportrait.config import Settings, apply_overrides, is_section
from itportrait.configuration.bundle_settings import read_bundle_settings
from itportrait.configuration.layers import Layers
from itportrait.configuration.sections import without_empty_sections
from itportrait.invert.config import OF_TUNING, InvertConfig


def lay(
    kind: type[Settings],
    file: Mapping[str, Any],
    overrides: Iterable[str],
    *,
    bundle_key: str,
    of_domains: Iterable[str],
    options: Mapping[str, Any] | None = None,
) -> Layers:
    """Return the layers of a configuration.

    Args:
        kind: the configuration, whose sections are read of the bundle's settings.
        file: content of its file.
        overrides: dotted `key=value` items; one counts in place of an option of the same key.
        bundle_key: name of the setting that says the bundle.
        of_domains: keys of `defaults` that are read of the bundle's settings.
        options: settings that options of the command line give.

    Raises:
        NoInputError: the bundle's settings cannot be read.
        InvalidArgumentError: they are not valid, or an item is not.
    """
    given, items = dict(options or {}), list(overrides)
    told = without_empty_sections(kind, file) | given
    command_line = without_empty_sections(kind, apply_overrides(given, items))
    data = without_empty_sections(kind, apply_overrides(told, items))
    if isinstance(bundle := command_line.get(bundle_key), str):
        command_line[bundle_key] = data[bundle_key] = absolute_bundle(bundle)
    bundle_settings = read_bundle_settings(
        data.get(bundle_key, MINI), sections=kind.model_fields, of_domains=of_domains
    )
    return Layers(bundle=_fitting(bundle_settings, data), file=data, command_line=command_line)


def with_key(overrides: Sequence[str], key: str, value: str) -> list[str]:
    """Return the items of --set, and before them the value that an option gives a key, if any.

    Args:
        overrides: items `key=value`; one of the same key counts in place of the option.
        key: dotted name of the setting that the option means.
        value: of the option; "" where it was not given.
    """
    return [*([f"{key}={json.dumps(value)}"] if value else []), *overrides]


def _fitting(bundle: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the bundle's settings without those of a choice that is made otherwise."""
    fitting = dict(bundle)
    if _chooses_another(told, bundle, "adapt", "preset", AdaptConfig().preset):
        fitting.pop("adapt", None)
    if _chooses_another(told, bundle, "invert", "method", InvertConfig().method):
        fitting["invert"] = _of_method(bundle.get("invert", {}), told["invert"]["method"])
    return fitting


def _chooses_another(
    told: Mapping[str, Any], bundle: Mapping[str, Any], section: str, key: str, usual: str
) -> bool:
    """Return whether a choice is made that is not the bundle's, or not the usual one over none."""
    chosen = told.get(section)
    if not is_section(chosen) or key not in chosen:
        return False
    return chosen[key] != bundle.get(section, {}).get(key, usual)


def _of_method(invert: Mapping[str, Any], method: str) -> dict[str, Any]:
    """Return settings of inversion without those of other methods than the given one."""
    kept = {name: value for name, value in invert.items() if name not in ("methods", *OF_TUNING)}
    own = {name: value for name, value in invert.get("methods", {}).items() if name == method}
    return kept | ({"methods": own} if own else {})
