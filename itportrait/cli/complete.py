"""Completion of methods, domains and versions in a shell (`itportrait --install-completion`).

A name that cannot be looked up, because the bank is away for instance, is not offered; completion
never fails.
"""

from collections.abc import Iterable
from typing import Any

import typer


def methods(incomplete: str) -> list[str]:
    """Return the adaptation methods whose names begin so."""
    from itportrait.adapt import METHODS

    return _beginning(METHODS.names(), incomplete)


def domains(context: typer.Context, incomplete: str) -> list[str]:
    """Return the domains of the call's bank, and those that come with the models.

    Of a list, `a,b`, the last name is completed.
    """
    given, comma, last = incomplete.rpartition(",")
    return [given + comma + name for name in _beginning(_domains(context.params), last)]


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
    from itportrait.jobs.ready_made import ready_made_bank

    place = params.get("bank") or f"{params.get('output') or params.get('out') or '.'}/bank"
    try:
        found = set(Bank(place).index()["domains"])
        if "out" in params or "output" in params:  # commands that also take ready-made ones
            found |= set(ready_made_bank(params.get("bundle") or "mini").domains())
    except Exception:  # a shell shows no error while somebody types
        return []
    return sorted(found)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
