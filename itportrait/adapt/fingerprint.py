"""What an adaptation is known by: one digest of everything that determines its result.

Settings that a domain's method does not read in its mode are no part of it: they are hashed at the
values of their preset, whatever they are set to. So a text domain stands when the settings of pairs
change, and the digests of the first release, which hashed every setting, are those of today
wherever such settings were left alone. Where they were not, `former_fingerprint` knows the domain.
"""

from collections.abc import Sequence
from typing import Any

from itportrait.adapt import version
from itportrait.adapt.config import AdaptConfig, resolve
from itportrait.adapt.domain import DomainSpec
from itportrait.adapt.methods import METHODS
from itportrait.adapt.references import Reference
from itportrait.adapt.settings import MethodConfig
from itportrait.config import Settings, fingerprint

_FREE = {"tags", "license", "references", "options", "pictures", "pictures_count"}
"""Fields of a specification that change no result by themselves."""


def adapt_fingerprint(
    spec: DomainSpec,
    config: AdaptConfig,
    model_id: str,
    references: Sequence[Reference | bytes] = (),
    *,
    align: Settings | Sequence[Any] | None = None,
    set_digest: str = "",
) -> str:
    """Return the digest of specification, settings that are read, base model and code version.

    Args:
        spec: the domain.
        config: shared settings; the domain's `options` are laid over them.
        model_id: of the base model.
        references: style pictures, aligned, or files that are yet to be aligned.
        align: what aligns the files.
        set_digest: of the set of pictures; "" where none guides the domain.

    Raises:
        UnknownNameError: no such method.
        InvalidArgumentError: an option of the domain is unknown or invalid.
    """
    resolved = resolve(spec, config)
    settings = resolved.model_dump(mode="json")
    unread = resolved.unread(spec)
    if unread:
        initial = type(resolved)(preset=resolved.preset).model_dump(mode="json")
        for name in unread:
            _copy_setting(name, source=initial, target=settings)
    return _digest(spec, resolved, settings, model_id, references, align, set_digest)


def former_fingerprint(
    spec: DomainSpec,
    config: AdaptConfig,
    model_id: str,
    references: Sequence[Reference | bytes] = (),
    *,
    align: Settings | Sequence[Any] | None = None,
    set_digest: str = "",
) -> str:
    """Return the digest by which the first release knew the domain: of all settings, read or not.

    The arguments are those of `adapt_fingerprint`.
    """
    resolved = resolve(spec, config)
    settings = resolved.model_dump(mode="json")
    return _digest(spec, resolved, settings, model_id, references, align, set_digest)


def _digest(
    spec: DomainSpec,
    resolved: MethodConfig,
    settings: dict[str, Any],
    model_id: str,
    references: Sequence[Reference | bytes],
    align: Settings | Sequence[Any] | None,
    set_digest: str,
) -> str:
    plain = spec.model_dump(mode="json", exclude=_FREE) | {"steps": resolved.run_steps(spec)}
    resolved.name_as_first(settings, spec)
    if settings["precision"] == "fp32":  # which was all there was, and is hashed as it was
        del settings["precision"]
    contents: list[Any] = [_content(reference) for reference in references]
    if set_digest:
        contents.append({"set": set_digest})
    return fingerprint(plain, settings, align, model_id, contents, _versions(spec.method))


def _versions(method: str) -> int | list[int]:
    """Return the stage's version, and the method's past its first, which was not hashed."""
    own = METHODS.get(method).VERSION
    return version.VERSION if own == 1 else [version.VERSION, own]


def _content(reference: Reference | bytes) -> Any:
    if isinstance(reference, bytes):
        return reference
    camera = reference.camera
    rounded = camera if camera is None else [round(float(v), 6) for v in camera.reshape(-1)]
    return [reference.sha256, rounded]


def _copy_setting(name: str, *, source: dict[str, Any], target: dict[str, Any]) -> None:
    """Copy the setting of a dotted name from one nested mapping to another."""
    *parents, leaf = name.split(".")
    for parent in parents:
        source, target = source[parent], target[parent]
    target[leaf] = source[leaf]
