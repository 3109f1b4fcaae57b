"""Settings laid over each other, and where each came from: bundle, file, command line."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import PrivateAttr

from itportrait.config import Settings, is_section, merge

BUNDLE, FILE, COMMAND_LINE = "bundle", "file", "command line"
PRESET, DEFAULT = "preset", "default"
DEFAULTS, DOMAINS = "defaults", "domains"


@dataclass(frozen=True)
class Layers:
    """What a job is given.

    Args:
        bundle: what comes with the bundle.
        file: the content of the configuration's file, with the command line laid over it.
        command_line: what was given there alone.
    """

    bundle: Mapping[str, Any]
    file: Mapping[str, Any]
    command_line: Mapping[str, Any]

    def merged(self) -> dict[str, Any]:
        """Return the settings of all layers, sections key by key."""
        return merge(self.bundle, self.file)

    def source_of(self, path: tuple[str, ...]) -> str | None:
        """Return the layer that gives a setting, or None where none does.

        A domain's own keys go before what lies under those of every domain.
        """
        given = {COMMAND_LINE: self.command_line, FILE: self.file, BUNDLE: self.bundle}
        layers = [(name, _by_name(layer)) for name, layer in given.items()]
        paths = [path]
        if path[0] == DOMAINS and len(path) > 2:
            paths.append((DEFAULTS, *path[2:]))
        for wanted in paths:
            for name, layer in layers:
                if _has(layer, wanted):
                    return name
        return None


class LayeredSettings(Settings):
    """A configuration that knows where each of its settings came from."""

    _layers: Layers | None = PrivateAttr(default=None)

    def laid_from(self, layers: Layers) -> Self:
        """Return this configuration with the layers that it was made of."""
        copy = self.model_copy()
        copy._layers = layers
        return copy

    @property
    def settings_from(self) -> dict[str, str]:
        """Where each setting came from, by its dotted key.

        `bundle`, `file`, `command line`; `preset` where `adapt.preset` says it; else `default`.
        Empty where the configuration was made by a program.
        """
        if self._layers is None:
            return {}
        usual = type(self)._usual_adaptation()
        found = {}
        for path, value in _leaves(_by_name(self.model_dump(mode="json"))):
            source = self._layers.source_of(path)
            if source is None and path[0] == "adapt":
                source = DEFAULT if usual.get(path) == value else PRESET
            found[".".join(path)] = source or DEFAULT
        return found

    @classmethod
    def _usual_adaptation(cls) -> dict[tuple[str, ...], Any]:
        usual = cls.model_fields["adapt"].get_default(call_default_factory=True)
        return dict(_leaves({"adapt": usual.model_dump(mode="json")}))


def _by_name(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with domains that stand in a list as a mapping by their names."""
    domains = data.get(DOMAINS)
    if not isinstance(domains, list | tuple):
        return dict(data)
    named = {
        str(item.get("name")) if is_section(item) else str(item): item if is_section(item) else {}
        for item in domains
    }
    return {**data, DOMAINS: named}


def _has(data: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Return whether data gives the value at a path, or a whole that holds it."""
    node: Any = data
    for name in path:
        if not is_section(node):
            return True  # a section that is replaced by what is none
        if name not in node:
            return False
        node = node[name]
    return True


def _leaves(
    data: Mapping[str, Any], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and value of every setting; of a domain, every key is one."""
    for key, value in data.items():
        path = (*above, key)
        if path[0] == DOMAINS and path[-1] == "name":
            continue  # it is in the path
        whole = path[0] == DOMAINS and len(path) > 2
        if is_section(value) and value and not whole:
            yield from _leaves(value, path)
        else:
            yield path, value
