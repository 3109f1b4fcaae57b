"""Commands that look at a style bank and choose its champions: `itportrait bank …`."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from itportrait.cli import complete
from itportrait.cli.options import Json, Mlflow
from itportrait.errors import InvalidArgumentError, UnknownNameError
from itportrait.terminal import Working, make_console, make_table

if TYPE_CHECKING:
    from itportrait.bank.store import Bank

_SCORES = ("identity", "clip_direction", "clip_image")
BankPlace = Annotated[str, typer.Argument(help="Folder or URI of the bank.")]
Domain = Annotated[str, typer.Argument(help="Name of the domain.", autocompletion=complete.domains)]
Version = Annotated[
    str,
    typer.Argument(
        help="Its name; a beginning or end that no other version has is enough.",
        autocompletion=complete.versions,
    ),
]


def list_domains(bank: BankPlace, json_: Json = False) -> None:
    """List the domains with their champions, of which base model these are, and scores."""
    with Working("bank list"):
        from itportrait.bank.store import Bank

        index = Bank(bank).existing().index()["domains"]
    if json_:
        print(json.dumps(index, indent=1, sort_keys=True))
        return
    rows = []
    for name, entry in sorted(index.items()):
        champion = entry["versions"].get(entry["champion"], {})
        scores = [champion.get("metrics", {}).get(key) for key in _SCORES]
        shown = ["-" if score is None else f"{score:.3f}" for score in scores]
        base, count = champion.get("base_model_id") or "-", str(len(entry["versions"]))
        rows.append([name, entry["champion"] or "-", base, count, *shown])
    columns = ("domain", "champion", "base model", "versions", *_SCORES)
    make_console().print(make_table(columns, rows, texts=3))


def show(
    bank: BankPlace,
    domain: Domain,
    version: Annotated[
        str,
        typer.Option(
            help="Its name, or a beginning or end that no other has; default: the champion.",
            autocompletion=complete.versions,
        ),
    ] = "",
) -> None:
    """Print the card of a version as JSON."""
    from dataclasses import asdict

    with Working("bank show"):
        from itportrait.bank.store import Bank

        styles = Bank(bank).existing()
        version = whole_version(styles, domain, version) if version else ""
        card = styles.read(domain, version) if version else styles.champion(domain)
        versions = styles.versions(domain)
    print(json.dumps({**asdict(card), "versions": versions}, indent=1))


def promote(bank: BankPlace, domain: Domain, version: Version, mlflow: Mlflow = "none") -> None:
    """Make a version champion."""
    with Working("bank promote") as working:
        from itportrait.bank.store import Bank

        styles = Bank(bank).existing()
        version = whole_version(styles, domain, version)
        styles.promote(domain, version)
        print(f"{domain}: champion is {version}")
        _register_models(bank, mlflow, [domain], working)


def rollback(bank: BankPlace, domain: Domain, mlflow: Mlflow = "none") -> None:
    """Make the former champion champion again."""
    with Working("bank rollback") as working:
        from itportrait.bank.store import Bank

        print(f"{domain}: champion is {Bank(bank).existing().rollback(domain)}")
        _register_models(bank, mlflow, [domain], working)


def register(bank: BankPlace, mlflow: Mlflow = "none") -> None:
    """Send MLflow what it missed while it was down: points that wait, versions, champions."""
    with Working("bank register") as working:
        from itportrait.bank.store import Bank
        from itportrait.tracking import replay_spool

        domains = list(Bank(bank).existing().index()["domains"])
        if mlflow in ("", "none"):
            raise InvalidArgumentError(
                "--mlflow",
                expected="the tracking URI of the service that is to know the bank",
                actual="none",
                remedy="give the one that the bank was built with, such as http://host:port or "
                "sqlite:///runs/mlflow.db, here or in $MLFLOW_TRACKING_URI",
            )
        working.now("bank register: sending what waits")
        backlog = replay_spool(mlflow, patience_s=3600.0)
        if backlog:
            print(backlog)
        if backlog or not _register_models(bank, mlflow, domains, working):
            raise typer.Exit(1)
    print(f"{len(domains)} registered models are in step with {bank}")


def prune(
    bank: BankPlace,
    domain: Domain,
    keep: Annotated[int, typer.Option(help="Newest versions that stay.")] = 3,
) -> None:
    """Remove old versions, but for the champion, its predecessor and the KEEP newest."""
    with Working("bank prune"):
        from itportrait.bank.store import Bank

        removed = Bank(bank).existing().prune(domain, keep=keep)
    print(f"{domain}: {len(removed)} versions removed {' '.join(removed)}".rstrip())


def whole_version(bank: "Bank", domain: str, text: str) -> str:
    """Return the name of the version that a text means: its name, its beginning or its end.

    Raises:
        UnknownNameError: there is no such domain, or it has none such; lists those that are there.
        InvalidArgumentError: several have it; lists them.
    """
    names = bank.versions(domain)
    if not names:
        raise UnknownNameError("domain", domain, list(bank.index()["domains"]))
    if text in names:
        return text
    found = [name for name in names if name.startswith(text) or name.endswith(text)]
    if len(found) > 1:
        raise InvalidArgumentError(
            "version",
            expected=f"a text that one version of {domain!r} alone has",
            actual=f"{text!r}, which is of {', '.join(found)}",
        )
    if not found:
        raise UnknownNameError("version", text, names)
    return found[0]


def _register_models(bank: str, mlflow: str, domains: list[str], working: Working) -> bool:
    """Let registered models follow the bank; say what they could not, and whether all is done."""
    from itportrait.bank.store import Bank
    from itportrait.jobs.bank.models import BankModels

    working.now("bringing registered models in step with the bank")
    problems = BankModels(Bank(bank), mlflow).sync(domains)
    for problem in problems:
        working.line(f"warning: {problem}")
    return not problems
