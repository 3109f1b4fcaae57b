"""Lay what a job is told over what comes with its bundle: the same way for every kind of job.

The order is: the bundle's settings, the file, options of the command line such as `--bundle`, and
`--set`. A bundle that the command line names by a relative path is taken from the working folder.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from itportrait.bundle.places import MINI, absolute_bundle
from itportrait.config import Settings, apply_overrides
from itportrait.configuration.bundle_settings import read_bundle_settings
from itportrait.configuration.layers import Layers
from itportrait.configuration.sections import without_empty_sections


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
    return Layers(bundle=bundle_settings, file=data, command_line=command_line)
