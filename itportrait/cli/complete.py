"""Completion of methods, domains and versions in a shell (`itportrait --install-completion`).

A name that cannot be looked up, because the bank is away for instance, is not offered; completion
never fails.
"""

import os
from collections.abc import Iterable
from glob import escape, glob
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from itportrait.bank.store import Bank


def methods(incomplete: str) -> list[str]:
    """Return the adaptation methods whose names begin so."""
    from itportrait.adapt import METHODS

    return _beginning(METHODS.names(), incomplete)


def configs(incomplete: str) -> list[str]:
    """Return the shipped configurations whose names begin so, and the files and folders."""
    from itportrait.configuration.shipped import shipped_names

    found = [path + "/" * os.path.isdir(path) for path in glob(f"{escape(incomplete)}*")]
    return [*_beginning(shipped_names(), incomplete), *sorted(found)]


def published(incomplete: str) -> list[str]:
    """Return the published networks whose names begin so."""
    from itportrait.published.registry import MODELS

    return _beginning(MODELS, incomplete)


def domains(context: typer.Context, incomplete: str) -> list[str]:
    """Return the domains of the call's bank and configuration, and those that come with the models.

    Of a list, `a,b`, the last name is completed.
    """
    return _last_of_list(_domains(context.params), incomplete)


def demo_domains(incomplete: str) -> list[str]:
    """Return the domains of the demo; of a list, `a,b`, the last name is completed."""
    return _last_of_list(sorted(_configured("demo")), incomplete)


def versions(context: typer.Context, incomplete: str) -> list[str]:
    """Return the versions of the call's domain."""
    from itportrait.bank.store import Bank

    try:
        names = Bank(context.params["bank"]).versions(context.params["domain"])
    except Exception:  # a shell shows no error while somebody types
        return []
    return _beginning(names, incomplete)


def _domains(params: dict[str, Any]) -> list[str]:
    from itportrait.bank.store import Bank

    found = _configured(params.get("config"))
    place = params.get("bank") or f"{params.get('output') or params.get('out') or '.'}/bank"
    try:
        if "out" in params or "output" in params:  # commands that also take ready-made ones
            found |= _fitting(Bank(place), params.get("bundle") or "mini")
        else:
            found |= set(Bank(place).index()["domains"])
    except Exception:  # a shell shows no error while somebody types
        return sorted(found)
    return sorted(found)


def _fitting(bank: "Bank", bundle: str) -> set[str]:
    """Return the domains of a bank, and of a bundle, that are of the bundle's models."""
    from itportrait.bundle.model_id import remembered_model_id
    from itportrait.jobs.ready_made import ready_made_bank

    bases = [*bank.bases().items(), *ready_made_bank(bundle).bases().items()]
    model_id = remembered_model_id(bundle) if bases else ""
    return {name for name, base in bases if base == model_id}


def _configured(config: str | None) -> set[str]:
    """Return the domains that a configuration names or specifies."""
    from itportrait.configuration.shipped import find_config
    from itportrait.configuration.yaml_files import read_mapping

    try:
        named = read_mapping(find_config(config))["domains"] if config else ()
        return {item if isinstance(item, str) else item["name"] for item in named}
    except Exception:  # a shell shows no error while somebody types
        return set()


def _last_of_list(names: Iterable[str], incomplete: str) -> list[str]:
    given, comma, last = incomplete.rpartition(",")
    return [given + comma + name for name in _beginning(names, last)]


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
