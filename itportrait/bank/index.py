"""Check the index and the cards of a style bank whole, since anybody may have written them."""

from dataclasses import dataclass, field
from typing import Any

from itportrait.documents import build
from itportrait.errors import InvalidArgumentError
from itportrait.io.names import check_domain, check_name


@dataclass(frozen=True)
class _Specification:
    """The part of a card's specification that is used."""

    mode: str = ""
    prompt: str | None = None
    source_prompt: str | None = None


@dataclass(frozen=True)
class _Description:
    """The part of a card's further data that is used."""

    step: int | None = None
    base: str | None = None
    align: dict[str, Any] | None = None
    gate: dict[str, Any] | None = None
    training: dict[str, float] | None = None
    warnings: list[str] = field(default_factory=list)


def check_card(specification: dict[str, Any], about: dict[str, Any], source: str) -> None:
    """Refuse a card whose specification or further data are of other types than they should be."""
    build(_Specification, specification, f"spec of {source}")
    build(_Description, about, f"info of {source}")


@dataclass(frozen=True)
class _IndexVersion:
    """The part of an index's entry for a version that is used."""

    number: int
    fingerprint: str
    base_model_id: str
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _IndexEntry:
    """The entry of an index for a domain."""

    champion: str | None
    former: list[str]
    versions: dict[str, _IndexVersion]


@dataclass(frozen=True)
class _Index:
    """The content of an index."""

    generation: int
    domains: dict[str, _IndexEntry]


def check_index(data: dict[str, Any], source: str) -> None:
    """Refuse an index that is damaged, or whose names could not be folders of a bank."""
    index = build(_Index, data, source)
    for domain, entry in index.domains.items():
        check_domain(domain)
        champion = () if entry.champion is None else (entry.champion,)
        for version in (*entry.versions, *entry.former, *champion):
            check_name(version, f"version of {domain} in {source}")
        if entry.champion is not None and entry.champion not in entry.versions:
            raise InvalidArgumentError(
                f"champion of {domain} in {source}",
                expected="one of its versions",
                actual=repr(entry.champion),
                remedy="promote one with `itportrait bank promote`",
            )
