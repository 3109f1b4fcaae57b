"""Run a comparison: every cell goes its own way, and its failure is a row of the table."""

import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial

from itportrait.comparison.cells import Cell, PlannedCell
from itportrait.comparison.compute import CellCompute
from itportrait.comparison.config import ComparisonConfig
from itportrait.comparison.given import Target
from itportrait.comparison.portraits import PortraitSet
from itportrait.comparison.scoring import (
    FITS,
    MARKER,
    CellJob,
    CellScores,
    cell_folder,
    fits_file,
)
from itportrait.comparison.style_store import StoredStyle
from itportrait.documents import build, parse_object
from itportrait.errors import InvalidArgumentError, ItportraitError, LeaseHeldError
from itportrait.io import uris
from itportrait.io.lease import Lease

logger = logging.getLogger(__name__)
_LOOKERS = 16
"""Number of cells that are looked at together: on an object store each takes two requests."""


def say_at_once(text: str) -> None:
    """Print a line for people, also where nobody reads along yet."""
    print(text, flush=True)


@dataclass(frozen=True)
class CellResult:
    """The end of a cell.

    Args:
        planned: the cell and its adaptation.
        style: what the adaptation left; None where it failed.
        scores: None where the cell failed.
        reason: why it failed; empty where it did not.
        computed: whether this run did something for it.
        seconds: that it took in this run.
    """

    planned: PlannedCell
    style: StoredStyle | None = None
    scores: CellScores | None = None
    reason: str = ""
    computed: bool = False
    seconds: float = 0.0

    @property
    def cell(self) -> Cell:
        """Return the cell."""
        return self.planned.cell


@dataclass
class ComparisonRun:
    """One run over all cells, under the lease of the output.

    Args:
        config: of the comparison.
        cells: from `plan_cells`.
        portraits: that all cells stylize.
        lease: checked before anything is done for a cell, and before anything of it is replaced.
        compute: adapts and scores.
        say: prints a line for people.
        on_done: called with the number of cells that have their result, and of all.
    """

    config: ComparisonConfig
    cells: list[PlannedCell]
    portraits: PortraitSet
    lease: Lease
    compute: CellCompute
    say: Callable[[str], None] = say_at_once
    on_done: Callable[[int, int], None] = lambda done, of: None

    @property
    def targets(self) -> dict[str, Target]:
        """Return what results are scored by, by the name of the domain."""
        found = {planned.cell.domain: planned.target for planned in self.cells}
        return {name: found[name] for name in self.config.domains if name in found}

    def run(self) -> list[CellResult]:
        """Bring every cell to its end, as many at once as the cluster holds.

        Returns:
            The results in the order of the cells; none raises for its cell.

        Raises:
            LeaseHeldError: another job has taken the output over; says which.
        """
        self.lease.check()
        uris.remove_unfinished(self.config.output)
        results = self._standing()
        if results:
            self.say(f"{len(results)} of {len(self.cells)} cells are kept from an earlier run")
        for planned in self.cells:
            if planned.job is None:
                results[planned.cell] = CellResult(planned, reason=planned.reason)
                self.say(f"{planned.cell}: cannot be made ({planned.reason})")
        todo = [planned for planned in self.cells if planned.cell not in results]
        # Seed by seed, so that a comparison that is stopped early has all methods with some seeds.
        todo.sort(key=lambda planned: self.config.seeds.index(planned.cell.seed))
        futures = [
            self.compute.submit(partial(self._bring, planned), str(planned.cell))
            for planned in todo
        ]
        progress = _Progress(len(todo))
        self.on_done(len(results), len(self.cells))
        for future in as_completed(futures):
            result = future.result()
            results[result.cell] = result
            self.say(progress.line(result))
            self.on_done(len(results), len(self.cells))
        self.lease.check()
        self._sweep_fits(results.values())
        return [results[planned.cell] for planned in self.cells]

    def _standing(self) -> dict[Cell, CellResult]:
        """Return the cells of which nothing is to be computed."""
        output = self.config.output
        markers = {
            uris.join(cell_folder(output, planned.cell), MARKER): planned
            for planned in self.cells
            if planned.job is not None
        }
        contents = uris.read_many(markers)
        with ThreadPoolExecutor(_LOOKERS) as pool:
            found = pool.map(lambda uri: self._stands(markers[uri], uri, contents[uri]), contents)
            return {result.cell: result for result in found if result is not None}

    def _stands(self, planned: PlannedCell, uri: str, marker: bytes) -> CellResult | None:
        """Return the result of a cell if its scores, its parts and its style are as they would be
        made now."""
        scores = _parse_scores(marker, uri)
        if scores is None or planned.job is None:
            return None
        style = self.compute.styles.find(planned.job.run_name)
        if style is None:
            return None
        job = self._cell_job(planned, style)
        sizes = uris.list_sizes(job.folder)
        whole = all(sizes.get(name, 0) > 0 for name in scores.parts)
        if not whole or scores.fingerprint != job.fingerprint:
            return None
        self._sweep(job.folder, sizes, {*scores.parts, MARKER})
        return CellResult(planned, style, scores)

    def _bring(self, planned: PlannedCell) -> CellResult:
        """Adapt and score one cell; its own error is its result, but a lost lease ends the run."""
        began, style = time.monotonic(), None
        assert planned.job is not None  # the others are among those that stand
        try:
            self.lease.check()
            style = self.compute.style(planned.job, self.lease)
            job = self._cell_job(planned, style)
            scores = self.compute.score_cell(job, self.lease)
            self._sweep(job.folder, uris.list_names(job.folder), {*scores.parts, MARKER})
            return CellResult(planned, style, scores, "", True, time.monotonic() - began)
        except LeaseHeldError:
            raise
        except Exception as error:
            logger.debug("cell %s", planned.cell, exc_info=True)
            reason = str(error) if isinstance(error, ItportraitError) else repr(error)
            seconds = time.monotonic() - began
            return CellResult(planned, style, None, uris.redact(reason), True, seconds)

    def _cell_job(self, planned: PlannedCell, style: StoredStyle) -> CellJob:
        return CellJob(
            cell=planned.cell,
            bundle=self.config.base,
            style=style,
            strength=self.config.methods[planned.cell.label].strength,
            portraits=self.portraits,
            target=planned.target,
            align=self.config.align.model_dump_json(),
            measures=self.config.measures.model_dump_json(),
        )

    def _sweep(self, folder: str, found: Iterable[str], kept: set[str]) -> None:
        """Remove files of a folder that were made from something else, by whichever run."""
        self.lease.check()
        for name in {*found} - kept:
            uris.remove(uris.join(folder, name))

    def _sweep_fits(self, results: Iterable[CellResult]) -> None:
        """Remove what styles had fitted to portraits that are others by now."""
        root = uris.join(self.config.output, FITS)
        fitted = {*uris.list_names(root)}
        for result in results:
            if result.style is None or result.style.name not in fitted:
                continue
            fitted.remove(result.style.name)
            job = self._cell_job(result.planned, result.style)
            folder = uris.join(root, result.style.name)
            files = {fits_file(job, shard).rpartition("/")[2] for shard in self.portraits.shards}
            self._sweep(folder, uris.list_names(folder), files)


class _Progress:
    """Says how far a run is, and how long it will take."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.began = total, 0, time.monotonic()

    def line(self, result: CellResult) -> str:
        """Count a cell and return its line."""
        self.done += 1
        spent = time.monotonic() - self.began
        left_s = spent / self.done * (self.total - self.done)
        words = f"failed ({result.reason})" if result.reason else f"{result.planned.mode}"
        eta = f", {left_s / 60:.1f} min left" if self.done < self.total else ""
        return f"[{self.done}/{self.total}] {result.cell}: {words}, {result.seconds:.0f} s{eta}"


def _parse_scores(data: bytes, uri: str) -> CellScores | None:
    try:
        source = uris.redact(uri)
        return build(CellScores, parse_object(data, source), source)
    except InvalidArgumentError:
        return None
