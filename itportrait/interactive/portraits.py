"""Pictures of people as 3D portraits, to be stylized, looked at from any side and saved."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

from PIL import Image

from itportrait.align.stage import AlignStage
from itportrait.bank.version import BankVersion
from itportrait.errors import InvalidArgumentError
from itportrait.image import encode
from itportrait.interactive.display import as_html
from itportrait.interactive.domain import Domain
from itportrait.interactive.pictures import Picture, as_list, list_pictures
from itportrait.interactive.portrait import Portrait, Tables
from itportrait.interactive.progress import shown_working
from itportrait.interactive.workplace import Place, Workplace
from itportrait.invert.stage import InvertStage
from itportrait.pages.contact_sheet import contact_sheet
from itportrait.records import AlignedRecord, Status
from itportrait.stages.recipe import Recipe
from itportrait.stages.shards import Shard, iter_shards
from itportrait.stylize.stage import StylizeStage
from itportrait.terminal import Working
from itportrait.training.domain_job import DomainJob
from itportrait.training.here import publish_here
from itportrait.training.vetting import vet_jobs

if TYPE_CHECKING:
    import pandas as pd


_TILE = 128
"""Side of a picture of a sheet, in pixels."""
_MOST_SHOWN = 50
"""Portraits, and reasons of those that are none, which a notebook shows by itself."""


class Portraits(Sequence[Portrait]):
    """People of pictures, aligned and inverted as the jobs do it, in order.

    A picture without a face, or one that cannot be read, is an item that says why; several people
    of one picture are several items where the settings ask for them (`align.faces`). It takes
    seconds a picture on a CPU, and runs in this process.

    Args:
        pictures: one or several: paths, URIs, bytes, PIL images, uint8 arrays `[H, W, 3]`. A path
            or URI may also be a folder, glob, list, table or archive, as `--input` of a job.
        bundle: base model: `mini`, a folder or a URI; None: that of `config`, else `mini`.
        config: YAML file of a job, or the name of a shipped one, such as `demo`; its settings and
            domains count as they do there.
        settings: over those, by dotted key, such as `{"invert.method": "encoder"}`.
        bank: style bank, whose domains are known by name, and to which domains that are adapted
            are published; None: the configuration's, else one that goes with the tables.
        output: folder or URI of the tables, which are those of a job: given again, only what is
            new is computed. None: a folder of its own, which goes with the process.
        device: `auto` (cuda where there is one), `cpu`, `cuda` or `cuda:N`.
        progress: whether a line shows the work.

    Raises:
        InvalidArgumentError: an item is no picture, or a setting is none; names it.
        NoInputError: nothing at all is where the paths and URIs say.
        ItportraitError: models or settings do not fit; says which.
    """

    def __init__(
        self,
        pictures: Picture | Sequence[Picture],
        *,
        bundle: str | None = None,
        config: str | None = None,
        settings: Mapping[str, Any] | None = None,
        bank: str | None = None,
        output: str | None = None,
        device: str = "auto",
        progress: bool = True,
    ) -> None:
        items = as_list(pictures)
        self._progress = progress
        with shown_working("portraits: starting", wanted=progress) as working:
            place = Place(
                bundle=bundle or "",
                config=config or "",
                settings=settings,
                bank=str(bank or ""),
                output=str(output or ""),
                device=device,
            )
            work = Workplace(place)
            align, invert = work.recipe(AlignStage.name), work.recipe(InvertStage.name)
            self._tables = Tables(work, align, invert)
            sources = list_pictures(items, work.job.ingest)
            self._shards = self._align(iter_shards(sources, work.job.shard_size()), working)
            self._run(invert, working)
        self._portraits = self._found(self._tables)

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the domains that the portraits are stylized in."""
        return tuple(self._tables.stylize)

    @property
    def warnings(self) -> dict[str, list[str]]:
        """What should be known of domains, by name: words that no model knows, a weak style."""
        return {name: list(said) for name, said in self._tables.warnings.items() if said}

    def stylize(self, *domains: str | Domain) -> "Portraits":
        """Return these portraits in further style domains; the ones here stay as they are.

        Args:
            domains: names (of the bank, of the configuration, or of what comes with the models), or
                a `Domain` of one's own, which is adapted first, unless the bank holds it already.

        Raises:
            UnknownNameError: nobody knows a name; lists those that are known.
            ItportraitError: what guides a domain cannot be read, or does not fit; says which. All
                of them are looked at before any work.
        """
        names = [given.name if isinstance(given, Domain) else given for given in domains]
        if not names or len({*names}) < len(names):
            raise InvalidArgumentError(
                "domains", expected="one or more, each once", actual=names or "none"
            )
        work = self._tables.work
        with shown_working("stylize: starting", wanted=self._progress) as working:
            found = [work.domain(given) for given in domains]
            versions = [self._version(item, working) for item in self._vetted(found, working)]
            recipes = {v.domain: work.recipe(StylizeStage.name, v) for v in versions}
            for recipe in recipes.values():
                self._run(recipe, working)
        tables = replace(
            self._tables,
            stylize={**self._tables.stylize, **recipes},
            warnings={**self._tables.warnings, **{v.domain: v.warnings for v in versions}},
        )
        made = object.__new__(Portraits)
        made._progress, made._shards, made._tables = self._progress, self._shards, tables
        made._portraits = self._found(tables)
        return made

    def sheet(self, *, tile: int = _TILE) -> Image.Image:
        """Return one picture of all: the crop, the portrait, and every domain, line by line.

        Pictures that are no portraits are left out.

        Args:
            tile: side of a picture, in pixels.
        """
        return self._sheet_of(self._good(), tile)

    def _good(self) -> list[Portrait]:
        return [p for p in self if p.record(pixels=False).status is Status.OK]

    def _sheet_of(self, shown: Sequence[Portrait], tile: int) -> Image.Image:
        lines = [portrait.pictures(tile) for portrait in shown]
        columns, names = ["aligned", "inverted", *self.domains], [p.name for p in shown]
        return Image.fromarray(contact_sheet(lines, columns=columns, names=names, tile=tile))

    def table(self) -> "pd.DataFrame":
        """Return what became of every portrait, and its measures, as a table of pandas.

        It has one row a portrait, in each domain where there are any: `portrait` (its name),
        `domain`, `status` (`ok`, `rejected`: unfit by a rule, `failed`: a fault), `reason`,
        `message`, and the measures that docs/data.md explains. Without domains they are those of
        the inversion.
        """
        import pandas as pd

        rows = []
        for portrait in self:
            for name in self.domains or (None,):
                row = portrait.record(name, pixels=False)
                error = row.error
                about = {
                    "portrait": portrait.name,
                    "domain": name or "",
                    "status": str(row.status),
                    "reason": error.type if error else "",
                    "message": error.message if error else "",
                }
                rows.append(about | portrait.metrics(name))
        return pd.DataFrame(rows)

    @overload
    def __getitem__(self, index: int) -> Portrait: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Portrait]: ...
    def __getitem__(self, index: int | slice) -> Portrait | Sequence[Portrait]:
        """Return a portrait by its place, or several."""
        return self._portraits[index]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._portraits)

    def __repr__(self) -> str:
        """Return how many there are, how many of them are ok, and in which domains."""
        good = sum(portrait.ok for portrait in self)
        about = ", ".join(self.domains) or "as photographed"
        return f"Portraits({good} of {len(self)} ok: {about})"

    def _repr_png_(self) -> bytes:
        import numpy as np

        return encode(np.asarray(self._sheet_of(self._good()[:_MOST_SHOWN], _TILE)))

    def _repr_html_(self) -> str:
        good = len(self._good())
        bad = [(portrait.name, portrait.reason) for portrait in self if portrait.reason]
        note = f"first {_MOST_SHOWN} of {good:,}; sheet() has all" if good > _MOST_SHOWN else ""
        if len(bad) > _MOST_SHOWN:
            said = f"{len(bad) - _MOST_SHOWN:,} more; table() has all of them"
            bad = [*bad[:_MOST_SHOWN], ("and", said)]
        sheet = self._repr_png_() if good else None
        return as_html(repr(self), sheet, bad, self.warnings, note)

    def _align(self, shards: Iterator[Shard], working: Working) -> list[int]:
        """Bring pictures to the align stage's table; return the numbers of their shards."""
        return self._tables.work.run(self._tables.align, shards, working, None)

    def _run(self, recipe: Recipe, working: Working) -> None:
        """Bring a stage's table to what the stage before has of these pictures."""
        former = self._tables.invert if recipe.previous == InvertStage.name else self._tables.align
        commits = self._tables.work.commits(former, self._shards)
        numbers = [number for number, commit in commits.items() if commit.rows_ok]
        of = sum(commit.rows_ok for commit in commits.values())
        self._tables.work.run(recipe, (Shard(n, ()) for n in sorted(numbers)), working, of)

    def _vetted(
        self, found: Sequence[BankVersion | DomainJob], working: Working
    ) -> list[BankVersion | DomainJob]:
        """Say what is to be known of trainings before any of them begins."""
        said = iter(vet_jobs([item for item in found if isinstance(item, DomainJob)]))
        vetted: list[BankVersion | DomainJob] = []
        for item in found:
            if isinstance(item, DomainJob):
                item = replace(item, warnings=next(said))
                name, texts = item.spec.name, item.warnings
            else:
                name, texts = item.domain, item.warnings
            for text in texts:
                working.line(f"warning: domain {name!r}: {text}")
            vetted.append(item)
        return vetted

    def _version(self, item: BankVersion | DomainJob, working: Working) -> BankVersion:
        if isinstance(item, BankVersion):
            return item
        work = self._tables.work
        return publish_here(item, work.bank, work.job.gate, device=work.device, working=working)

    def _found(self, tables: Tables) -> list[Portrait]:
        return [
            Portrait(tables, shard, row)
            for shard in self._shards
            for row in tables.work.rows(tables.align, shard)
            if isinstance(row, AlignedRecord)
        ]
