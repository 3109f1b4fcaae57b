"""The style bank: versions of adapted domains, and an index that says which one is champion.

`BANK/NAME/VERSION/…` is written once and never changed. `BANK/bank.json` is the index, one whole
file written last, so that a reader never sees half a bank. Every change of the index is first made
as `BANK/_index/00000042.json` with an exclusive create: of several writers at once one wins, and
the others do their change again on top of it.
"""

import datetime as dt
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, Self

from itportrait.bank.index import check_index
from itportrait.bank.version import BankVersion, read_version
from itportrait.errors import (
    InvalidArgumentError,
    NoInputError,
    UnknownNameError,
)
from itportrait.io import uris
from itportrait.io.names import check_domain, check_name, numbers_of, resolve_under
from itportrait.styles.names import CARD_FILE

INDEX = "bank.json"
_SCHEMA = 1
_HISTORY = "_index"
_KEPT_INDEXES = 50
_LAST_GENERATION = 10**12
"""Largest number of an index; a file with a larger one was forged, and hides all later ones."""
_AGREED = ("fingerprint", "base_model_id")
"""Fields that the index repeats from a card, and which must be equal."""


class Bank:
    """A style bank at a folder or URI; it need not exist before the first `publish`."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def index(self) -> dict[str, Any]:
        """Return the index: `domains` -> name -> champion, former champions, versions.

        A bank whose bank.json was lost is read from the newest of `_index`, of which bank.json is a
        copy; the next change writes it again.
        """
        return self._shown() or self._newest()[1]

    def exists(self) -> bool:
        """Return whether anything has been published here."""
        return self._newest()[0] >= 0

    def existing(self) -> Self:
        """Return this bank, which is only read or changed, and must therefore exist.

        Raises:
            NoInputError: nothing has been published here; the place may be mistyped.
        """
        if not self.exists():
            raise NoInputError(
                f"no bank at {uris.redact(self.uri)}: {INDEX} is missing; look for it with "
                "`itportrait bank list BANK`, or begin one with `itportrait adapt`"
            )
        return self

    def beginning(self) -> str:
        """Return what to tell people before something is published here; "" where a bank stands.

        Raises:
            InvalidArgumentError: nothing can be written here.
        """
        uris.check_place(self.uri, "bank")
        if self.exists():
            return ""
        return (
            f"no bank at {uris.redact(self.uri)} yet: one is begun there; if the place is "
            "mistyped, stop, and give --bank again"
        )

    def domains(self) -> list[str]:
        """Return the names of all domains that have a champion, sorted."""
        return sorted(self.bases())

    def bases(self) -> dict[str, str]:
        """Return the base model's id of the champion of every domain that has one, by name."""
        found = self.index()["domains"]
        return {
            name: entry["versions"][entry["champion"]]["base_model_id"]
            for name, entry in sorted(found.items())
            if entry["champion"]
        }

    def champion(self, domain: str) -> BankVersion:
        """Return the champion of a domain.

        Raises:
            UnknownNameError: the bank has no domain of that name; lists those it has.
            InvalidArgumentError: it has candidates of that name alone.
        """
        entry = self.index()["domains"].get(domain)
        if not entry or not entry["versions"]:
            raise UnknownNameError("domain", domain, list(self.index()["domains"]))
        if not entry["champion"]:
            bank, names = uris.redact(self.uri), _in_order(entry)
            raise InvalidArgumentError(
                f"domain {domain!r} of the bank {bank}",
                expected="one with a champion",
                actual=f"candidates alone ({', '.join(names)})",
                remedy=f"see one by `itportrait bank show {bank} {domain} --version {names[-1]}`, "
                f"and make it champion by `itportrait bank promote {bank} {domain} {names[-1]}`",
            )
        return self.read(domain, entry["champion"])

    def read(self, domain: str, version: str) -> BankVersion:
        """Return any version of a domain, champion or not.

        Raises:
            NoInputError: there is no such version.
            InvalidArgumentError: its card is damaged, or says something else than the index.
        """
        check_domain(domain)
        check_name(version, "version")
        card = read_version(resolve_under(self.uri, domain, version))
        entry = self.index()["domains"].get(domain, _empty_entry())["versions"].get(version)
        for key in _AGREED if entry else ():
            if entry[key] != getattr(card, key):
                raise InvalidArgumentError(
                    f"{key} on the card of {domain} {version} in {uris.redact(self.uri)}",
                    expected=f"{entry[key]!r}, as the index says",
                    actual=repr(getattr(card, key)),
                    remedy="publish the version again",
                )
        return card

    def versions(self, domain: str) -> list[str]:
        """Return the names of a domain's versions in the order of publication."""
        entry = self.index()["domains"].get(domain)
        return _in_order(entry) if entry else []

    def find(self, domain: str, fingerprint: str) -> BankVersion | None:
        """Return the version of a domain with this fingerprint, the champion first."""
        entry = self.index()["domains"].get(domain)
        if not entry:
            return None
        names = sorted(entry["versions"], key=lambda name: name != entry["champion"])
        for name in names:
            if entry["versions"][name]["fingerprint"] == fingerprint:
                return self.read(domain, name)
        return None

    def publish(
        self, version: BankVersion, files: Mapping[str, bytes], *, promote: bool = True
    ) -> BankVersion:
        """Write a version's files, then its card, then let the index know of it.

        Args:
            version: its card; `uri` and `created` are filled in here.
            files: path under the version's folder -> content (the style's file, …).
            promote: make it champion; else it is a candidate.

        Returns:
            The version as it stands in the bank.

        Raises:
            OutputError: no space or no permission; the index is as before.
        """
        check_domain(version.domain)
        check_name(version.version, "version")
        folder = resolve_under(self.uri, version.domain, version.version)
        created = version.created or dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        version = replace(version, uri=folder, created=created)
        for path, content in files.items():
            uris.put_bytes(resolve_under(folder, path, what="a file of the version"), content)
        card = {name: value for name, value in asdict(version).items() if name != "uri"}
        uris.put_bytes(uris.join(folder, CARD_FILE), uris.to_json(card))

        def add(domains: dict[str, Any]) -> None:
            entry = domains.setdefault(version.domain, _empty_entry())
            number = 1 + max((v["number"] for v in entry["versions"].values()), default=-1)
            entry["versions"][version.version] = {
                "number": number,
                "fingerprint": version.fingerprint,
                "base_model_id": version.base_model_id,
                "metrics": version.metrics,
                "created": created,
            }
            if promote:
                _promote(entry, version.version)

        self._change(add)
        return version

    def adopt(self, version: BankVersion) -> BankVersion:
        """Publish a version of another bank here as champion, files and card as they are.

        Raises:
            InvalidArgumentError: a file's name or a link leads out of the version's folder.
            OutputError: no space or no permission; the index is as before.
        """
        names = [name for name in uris.list_tree(version.uri) if name != CARD_FILE]
        return self.publish(version, {name: uris.read_bytes(version.file(name)) for name in names})

    def promote(self, domain: str, version: str) -> None:
        """Make a version champion; the present champion is remembered for `rollback`.

        Raises:
            UnknownNameError: no such domain or version; lists the known ones.
        """

        def change(domains: dict[str, Any]) -> None:
            _promote(_entry(domains, domain, version), version)

        self._change(change)

    def rollback(self, domain: str) -> str:
        """Make the former champion champion again.

        Returns:
            Its version.

        Raises:
            UnknownNameError: no such domain.
            InvalidArgumentError: there is no former champion.
        """
        restored = ""

        def change(domains: dict[str, Any]) -> None:
            nonlocal restored
            entry = _entry(domains, domain)
            former = [name for name in entry["former"] if name in entry["versions"]]
            if not former:
                raise InvalidArgumentError(
                    "domain", expected="one with a former champion", actual=repr(domain)
                )
            restored = former[-1]
            entry["champion"], entry["former"] = restored, former[:-1]

        self._change(change)
        return restored

    def prune(self, domain: str, *, keep: int = 3) -> list[str]:
        """Remove old versions: all but the champion, its predecessor and the `keep` newest.

        Returns:
            Names of the removed versions.

        Raises:
            UnknownNameError: no such domain.
            InvalidArgumentError: `keep` is negative.
        """
        if keep < 0:
            raise InvalidArgumentError("keep", expected="0 or more", actual=keep)
        removed: list[str] = []

        def change(domains: dict[str, Any]) -> None:
            entry = _entry(domains, domain)
            names = _in_order(entry)
            kept = {entry["champion"], *entry["former"][-1:], *names[max(len(names) - keep, 0) :]}
            removed[:] = [name for name in names if name not in kept]
            for name in removed:
                del entry["versions"][name]
            entry["former"] = [name for name in entry["former"] if name in entry["versions"]]

        self._change(change)
        for name in removed:
            uris.remove(resolve_under(self.uri, domain, name), recursive=True)
        return removed

    def _change(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Apply a change to the newest index, alone among all writers."""
        for attempt in range(100):
            newest, data = self._newest()
            if not -1 <= newest < _LAST_GENERATION:
                raise InvalidArgumentError(
                    f"generation of the index of {uris.redact(self.uri)}",
                    expected=f"a number from -1 to {_LAST_GENERATION - 1}",
                    actual=newest,
                    remedy=f"mend {INDEX}, and remove {_HISTORY}/{newest:08d}.json if it is there",
                )
            change(data["domains"])
            data |= {
                "schema": _SCHEMA,
                "generation": newest + 1,
                "updated": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            }
            try:
                uris.create_bytes(self._generation(newest + 1), uris.to_json(data))
            except FileExistsError:
                time.sleep(random.uniform(0, 0.02 * (attempt + 1)))
                continue
            self._show_newest()
            self._forget(newest + 1 - _KEPT_INDEXES)
            return
        raise TimeoutError(f"the index of {uris.redact(self.uri)} changed 100 times meanwhile")

    def _show_newest(self) -> None:
        """Put the newest index as bank.json; a slower writer must not leave an older one there."""
        while True:
            number, data = self._newest()
            uris.put_bytes(uris.join(self.uri, INDEX), uris.to_json(data))
            if max(self._numbers(), default=-1) == number:
                return

    def _newest(self) -> tuple[int, dict[str, Any]]:
        # A writer killed before it wrote bank.json leaves a newer index here: it counts.
        number = max(self._numbers(), default=-1)
        newest = self._read_index(self._generation(number)) if number >= 0 else None
        data = newest or self._shown() or {"schema": _SCHEMA, "generation": -1, "domains": {}}
        return (data["generation"] if number < 0 else number), data

    def _shown(self) -> dict[str, Any] | None:
        return self._read_index(resolve_under(self.uri, INDEX))

    def _read_index(self, uri: str) -> dict[str, Any] | None:
        data = uris.read_json(uri)
        if data is not None:
            check_index(data, uris.redact(uri))
        return data

    def _numbers(self) -> list[int]:
        return numbers_of(uris.list_names(resolve_under(self.uri, _HISTORY)))

    def _generation(self, number: int) -> str:
        return resolve_under(self.uri, _HISTORY, f"{number:08d}.json")

    def _forget(self, before: int) -> None:
        for number in self._numbers():
            if number < before:
                uris.remove(self._generation(number))


def _empty_entry() -> dict[str, Any]:
    return {"champion": None, "former": [], "versions": {}}


def _in_order(entry: dict[str, Any]) -> list[str]:
    versions = entry["versions"]
    return sorted(versions, key=lambda name: versions[name]["number"])


def _entry(domains: dict[str, Any], domain: str, version: str | None = None) -> dict[str, Any]:
    if domain not in domains:
        raise UnknownNameError("domain", domain, list(domains))
    if version is not None and version not in domains[domain]["versions"]:
        raise UnknownNameError("version", version, list(domains[domain]["versions"]))
    return domains[domain]


def _promote(entry: dict[str, Any], version: str) -> None:
    if entry["champion"] and entry["champion"] != version:
        entry["former"] = [n for n in entry["former"] if n != version] + [entry["champion"]]
    entry["champion"] = version
