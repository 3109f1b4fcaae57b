"""Where pictures are worked on: settings, models, and tables of the stages, as a job has them.

The tables lie in the folder that is given, or in one of their own, which goes with the process.
"""

import json
import shutil
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from itportrait.adapt.domain import DomainSpec
from itportrait.bank.store import Bank, BankVersion
from itportrait.engine.local import run_stage
from itportrait.errors import ItportraitError, UnknownNameError
from itportrait.interactive.domain import Domain
from itportrait.io import uris
from itportrait.io.lease import Lease
from itportrait.jobs.ready_made import (
    find_champion,
    ready_made,
    ready_made_bank,
    ready_made_domains,
)
from itportrait.jobs.stylize.config import JobConfig, load_job
from itportrait.records import Record
from itportrait.stages.recipe import Recipe
from itportrait.stages.shards import Shard, started
from itportrait.terminal import Working
from itportrait.training.domain_job import DomainJob

if TYPE_CHECKING:
    from itportrait.io.commits import Commit
    from itportrait.stylize import Stylizer

_LEAST_KEPT = 8
"""Shards whose rows stay in memory; they are more where there are more tables, so that those of one
portrait are never read twice for it."""


class NoPortraitError(ItportraitError):
    """A picture gave no portrait, or none in this domain, or its rows are gone; says why."""


@dataclass(frozen=True)
class Place:
    """What a call says of where and how it works; empty values are left to the configuration.

    Args:
        bundle: base model.
        config: YAML file or URI, or the name of a shipped configuration.
        settings: by dotted key, over those of the file.
        bank: folder or URI of the style bank.
        output: folder or URI of the tables.
        device: torch device.
    """

    bundle: str = ""
    config: str = ""
    settings: Mapping[str, Any] | None = None
    bank: str = ""
    output: str = ""
    device: str = "auto"


class Workplace:
    """Runs stages and trainings in this process, and reads what they left.

    Args:
        place: where and how.

    Raises:
        ItportraitError: settings, models or the device are none; says which.
    """

    def __init__(self, place: Place) -> None:
        from itportrait.bundle.devices import torch_device
        from itportrait.bundle.warm import warm_bundle

        self.device = str(torch_device(place.device))
        self.has_bank = bool(place.bank or place.config)
        output = place.output or self._own_folder()
        self.job: JobConfig = load_job(
            place.config or None,
            _overrides(place.settings or {}),
            required=(),
            bundle=place.bundle,
            bank=place.bank,
            output=output,
        )
        self.bundle = warm_bundle(self.job.bundle, self.device)
        self.bank = Bank(self.job.bank)
        self._made: dict[tuple[Recipe, int], str] = {}
        """Fingerprint of each shard that was brought to its state here."""
        self._kept: OrderedDict[tuple[Recipe, int, bool], dict[str, Record]] = OrderedDict()

    def recipe(self, stage: str, version: BankVersion | None = None) -> Recipe:
        """Return the recipe of a stage; `version` is the style of the one that has a domain."""
        return self.job.recipe(stage, self.bundle.model_id, device=self.device, version=version)

    def run(
        self,
        recipe: Recipe,
        shards: Iterable[Shard],
        working: Working,
        of: int | None,
    ) -> list[int]:
        """Bring shards of a stage to their committed state, under the lease of the tables.

        Args:
            recipe: of the stage.
            shards: with their inputs, or numbers of those that the stage before has committed.
            working: shows how far it is, and what is retried or split.
            of: number of inputs in all; None where that is not known.

        Returns:
            The numbers of the shards, in their order.
        """
        numbers, done = list[int](), 0

        def committed(commit: "Commit", kept: bool) -> None:
            nonlocal done
            self._made[recipe, commit.shard] = commit.fingerprint
            numbers.append(commit.shard)
            done += commit.inputs
            working.step(done, of)

        def within(items: int, text: str) -> None:
            working.step(done + items, of, within=text)

        working.now(recipe.name)
        working.step(done, of)
        shards = started(shards)
        with Lease(self.job.output, what="Portraits"):
            run_stage(recipe, shards, committed, working.line, within)
        return numbers

    def commits(self, recipe: Recipe, shards: Sequence[int]) -> dict[int, "Commit"]:
        """Return the commits of shards that were made here; others have none.

        Raises:
            NoPortraitError: one of them is gone, or somebody has made it anew in another way.
        """
        made = [shard for shard in shards if (recipe, shard) in self._made]
        table = recipe.table()
        commits = table.read_commits(made)
        for shard in made:
            if shard not in commits or commits[shard].fingerprint != self._made[recipe, shard]:
                raise NoPortraitError(
                    f"the rows of these portraits are not in {uris.redact(table.root)} any more: "
                    "they were removed, or made anew of other pictures or settings; make the "
                    "Portraits again, and give each settings an output of their own"
                )
        return commits

    def rows(self, recipe: Recipe, shard: int) -> list[Record]:
        """Return the rows of a shard of a stage without pictures; none where it has none.

        Raises:
            NoPortraitError: they are gone, or somebody has made them anew in another way.
        """
        commit = self.commits(recipe, [shard]).get(shard)
        rows = recipe.table().read_rows(commit, pixels=False) if commit else []
        return [row.record for row in rows]

    def read(self, recipe: Recipe, shard: int, *, pixels: bool) -> dict[str, Record]:
        """Return the rows of a shard by their ids; those of the last shards stay in memory.

        Args:
            recipe: of the stage.
            shard: its number.
            pixels: read the pictures, too.

        Raises:
            NoPortraitError: they are gone, or somebody has made them anew in another way.
        """
        key, plain = (recipe, shard, True), (recipe, shard, False)
        if key not in self._kept and not pixels:
            key = plain
        if key not in self._kept:
            self._kept[key] = self._read(recipe, shard, pixels=pixels)
            if pixels:
                self._kept.pop(plain, None)
        self._kept.move_to_end(key)
        tables = len({recipe for recipe, _ in self._made})
        while len(self._kept) > max(_LEAST_KEPT, tables + 1):
            self._kept.popitem(last=False)
        return self._kept[key]

    def stylizer(self, recipe: Recipe | None) -> "Stylizer":
        """Return what renders the domain of a recipe; None: portraits as they are."""
        if recipe is None:
            return self._plain
        from itportrait.stylize.stage import build_stylizer

        return build_stylizer(recipe)

    def domain(self, given: str | Domain) -> BankVersion | DomainJob:
        """Return the version of a domain, or the training that makes it.

        A name means a domain of the configuration, of the bank, or one that comes with the models.

        Raises:
            UnknownNameError: nobody knows the name; lists those that are known.
            ItportraitError: a bank, a reference or settings are none; says which.
        """
        if isinstance(given, Domain):
            job = given.job(self.job, self.bundle.model_id)
        elif (spec := self.job.specifications().get(given)) is not None:
            job = self._training(spec)
        else:
            return self._champion(given)
        return job.find_in(self.bank) or job

    def _training(self, spec: DomainSpec) -> DomainJob:
        return DomainJob.of(
            spec,
            bundle=self.job.bundle,
            adapt=self.job.adapt,
            align=self.job.align,
            model_id=self.bundle.model_id,
        )

    def _champion(self, name: str) -> BankVersion:
        bundle, known = self.job.bundle, {*self.job.domain_names()} - {name}
        if not self.has_bank and not self.bank.exists():
            if name in ready_made_bank(bundle).domains():
                return ready_made(name, bundle)
            raise UnknownNameError("domain", name, sorted({*known, *ready_made_domains(bundle)}))
        try:
            return find_champion(name, self.bank, bundle)
        except UnknownNameError as error:
            raise UnknownNameError("domain", name, sorted({*error.known, *known})) from None

    def _read(self, recipe: Recipe, shard: int, *, pixels: bool) -> dict[str, Record]:
        found: dict[str, Record] = {}
        commit = self.commits(recipe, [shard]).get(shard)
        for row in recipe.table().read_rows(commit, pixels=pixels) if commit else ():
            found.setdefault(row.record.record_id, row.record)
        return found

    @cached_property
    def _plain(self) -> "Stylizer":
        from itportrait.stylize import Stylizer

        return Stylizer(self.job.stylize, self.bundle, {})

    def _own_folder(self) -> str:
        folder = tempfile.mkdtemp(prefix="itportrait-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder


def _overrides(settings: Mapping[str, Any]) -> list[str]:
    return [f"{key}={json.dumps(value)}" for key, value in settings.items()]
