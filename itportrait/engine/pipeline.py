"""The main job's engine: shards of photos through align, invert and every domain, and none lost."""

import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

from itportrait.engine.pieces import StageResources
from itportrait.engine.progress import Progress
from itportrait.engine.recipes import ALIGN, INVERT, STYLIZE, Recipe
from itportrait.engine.repeats import Repeats
from itportrait.engine.totals import Totals
from itportrait.engine.verdicts import all_hold
from itportrait.engine.window import Window, WindowLimits
from itportrait.engine.work import stylize_inputs
from itportrait.errors import ItportraitError
from itportrait.execution.causes import UpstreamDamagedError
from itportrait.execution.executor import Executor
from itportrait.io import uris
from itportrait.io.commits import Commit
from itportrait.io.lease import Lease
from itportrait.stages.shards import Shard

_MARKERS_PER_ROUND = 256


@dataclass
class Domain:
    """A style domain of the job.

    Args:
        name: of the domain.
        recipe: its stylize stage; None while its adapter is still to be made.
        adapt: starts the adaptation; the future gives the recipe.
        doing: what `adapt` does, for people.
    """

    name: str
    recipe: Recipe | None
    adapt: Callable[[], "Future[Recipe]"] | None = None
    doing: str = "adapting"
    error: Exception | None = None
    future: "Future[Recipe] | None" = None
    waiting: list[tuple[int, str, int]] = field(default_factory=list)
    """Shards (index, inputs, items) whose portraits wait for the adapter."""

    @property
    def stage_name(self) -> str:
        """Return the name under which its totals are kept."""
        return f"{STYLIZE} {self.name}"


@dataclass(frozen=True)
class PlannedShards:
    """What a dry run found: shards by stage that are done, and that would be computed."""

    done: dict[str, int]
    to_compute: dict[str, int]


class _Standing:
    """What is committed of one stage, read ahead in rounds, and checked against the files there."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.table = recipe, recipe.table()
        self._round, self._commits = -1, {}
        self._sizes: dict[str, int] | None = None

    def done(self, shard: int, inputs: str | list[str]) -> Commit | None:
        """Return the commit of a shard if it is whole and of these very inputs."""
        commit = self.get(shard)
        if commit is None or commit.fingerprint != self.recipe.of_inputs(inputs):
            return None
        if self.recipe.retry_failed and commit.failed:
            return None
        if not self._verdicts_hold(commit):
            return None
        if self._sizes is None:
            self._sizes = self.table.sizes()
        return commit if self.table.whole(commit, self._sizes) else None

    def _verdicts_hold(self, commit: Commit) -> bool:
        try:
            return all_hold(self.table, commit)
        except OSError:
            return False  # the task looks at it more closely

    def get(self, shard: int) -> Commit | None:
        """Return a shard's commit as it stood when its round was read."""
        number = shard // _MARKERS_PER_ROUND
        if number != self._round:
            first = number * _MARKERS_PER_ROUND
            self._commits = self.table.read_commits(range(first, first + _MARKERS_PER_ROUND))
            self._round = number
        return self._commits.get(shard)


class Pipeline:
    """Runs the chain of stages over a stream of shards.

    Args:
        align: recipe of the first stage.
        invert: recipe of the second.
        domains: the third, once per domain.
        limits: of the window.
        resources: by stage.
        totals: counts, filled in.
        progress: display, or None.
        lease: checked at every turn, or None.
        executor: what runs the tasks.
        on_shard: called with stage, counts by status and seconds of every committed shard.
    """

    def __init__(
        self,
        align: Recipe,
        invert: Recipe,
        domains: list[Domain],
        *,
        executor: Executor,
        limits: WindowLimits,
        resources: dict[str, StageResources],
        totals: Totals,
        progress: Progress | None = None,
        lease: Lease | None = None,
        on_shard: Callable[[str, dict[str, int], float], None] = lambda *_: None,
    ) -> None:
        self.align, self.invert, self.domains = align, invert, domains
        self.totals, self.progress, self.lease = totals, progress, lease
        self.on_shard = on_shard
        self.window = Window(
            executor,
            limits,
            resources,
            on_commit=self._committed,
            on_damaged=self._damaged,
            on_event=self._say,
        )
        self._standing = {recipe.name: _Standing(recipe) for recipe in (align, invert)}
        self._repeats = Repeats()
        self._align_outputs: dict[int, str] = {}
        for name in (align.name, invert.name, *(domain.stage_name for domain in domains)):
            totals.stage(name)

    def run(self, shards: Iterable[Shard]) -> None:
        """Bring every shard through every stage.

        Raises:
            ItportraitError: what no retry can mend; everything committed so far stays.
        """
        source = iter(shards)
        listing = True
        try:
            for domain in self.domains:
                if domain.adapt is not None:
                    domain.future = domain.adapt()
                    self._note(domain, domain.doing)
            while listing or len(self.window) or self._adapting():
                while listing and self.window.has_room:
                    shard = next(source, None)
                    if shard is None:
                        listing = False
                        break
                    self._take_in(shard)
                    self._show(listing)
                self._poll_domains()
                self.window.step(0.25, quiet=not self._adapting())
                self._show(listing)
                if self.lease:
                    self.lease.check()
        except SystemExit:
            raise  # this process ends within seconds, and its tasks with it
        except BaseException:
            self.window.cancel()
            raise
        self._sweep()
        self.totals.check(frozenset(d.stage_name for d in self.domains if d.error))

    def plan(self, shards: Iterable[Shard]) -> PlannedShards:
        """Return what `run` would find done and what it would compute; nothing is written."""
        names = [self.align.name, self.invert.name, *(d.stage_name for d in self.domains)]
        done, todo = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
        for shard in shards:
            self._count_in(shard)
            aligned = self._standing[self.align.name].done(shard.index, shard.keys())
            done[self.align.name] += aligned is not None
            todo[self.align.name] += aligned is None
            inverted = None
            if aligned is not None and aligned.rows_ok:
                standing = self._standing[self.invert.name]
                inverted = standing.done(shard.index, aligned.outputs)
            if aligned is None or aligned.rows_ok:
                done[self.invert.name] += inverted is not None
                todo[self.invert.name] += inverted is None
            for domain in self.domains:
                stylized = None
                if aligned and inverted and domain.recipe:
                    inputs = stylize_inputs(aligned.outputs, inverted.outputs)
                    stylized = self._standing_of(domain.recipe).done(shard.index, inputs)
                if inverted is None or inverted.rows_ok:
                    done[domain.stage_name] += stylized is not None
                    todo[domain.stage_name] += stylized is None
        return PlannedShards(done, todo)

    def _count_in(self, shard: Shard) -> None:
        self.totals.listed += len(shard.sources)
        self.totals.shards += 1

    def _take_in(self, shard: Shard) -> None:
        self._count_in(shard)
        standing = self._standing[self.align.name].done(shard.index, shard.keys())
        if standing is not None:
            self._settled(self.align, shard, standing, kept=True)
        else:
            self.window.add(self.align, shard, len(shard.sources), shard.keys())

    def _committed(self, recipe: Recipe, shard: Shard, commit: Commit) -> None:
        counts = {"ok": commit.ok, "rejected": commit.rejected, "failed": commit.failed}
        self.on_shard(recipe.stage, counts, commit.seconds)
        self._settled(recipe, shard, commit, kept=False)

    def _settled(self, recipe: Recipe, shard: Shard, commit: Commit, *, kept: bool) -> None:
        """Count a shard of a stage and send it on."""
        self.totals.stage(recipe.name).add(commit, kept=kept)
        if recipe.stage == ALIGN:
            self._repeats.aligned(shard.index, commit.photos)
            if commit.rows_ok == 0:
                self._nothing_follows(shard.index, INVERT)
                return
            self._align_outputs[shard.index] = commit.outputs
            standing = self._standing[self.invert.name].done(shard.index, commit.outputs)
            if standing is not None:
                self._settled(self.invert, shard, standing, kept=True)
            else:
                self._compute(self.invert, shard.index, commit.rows_ok, commit.outputs)
            return
        self._repeats.end(recipe, shard.index)
        if recipe.stage == INVERT:
            inputs = stylize_inputs(self._align_outputs.pop(shard.index), commit.outputs)
            if commit.rows_ok == 0:
                self._nothing_follows(shard.index, STYLIZE)
                return
            for domain in self.domains:
                self._stylize(domain, shard.index, inputs, commit.rows_ok)

    def _stylize(self, domain: Domain, shard: int, inputs: str, items: int) -> None:
        if domain.error is not None:
            return
        if domain.recipe is None:
            domain.waiting.append((shard, inputs, items))
            return
        standing = self._standing_of(domain.recipe).done(shard, inputs)
        if standing is not None:
            self._settled(domain.recipe, Shard(shard, ()), standing, kept=True)
        else:
            self._compute(domain.recipe, shard, items, inputs)

    def _compute(self, recipe: Recipe, shard: int, items: int, inputs: str) -> None:
        """Queue a shard of a later stage, behind those that it copies repeated photos from."""

        def start(copy_from: tuple[int, ...]) -> None:
            self.window.add(recipe, Shard(shard, ()), items, inputs, copy_from)

        self._repeats.begin(recipe, shard, start)

    def _standing_of(self, recipe: Recipe) -> _Standing:
        if recipe.name not in self._standing:
            self._standing[recipe.name] = _Standing(recipe)
        return self._standing[recipe.name]

    def _nothing_follows(self, shard: int, first: str) -> None:
        """Take back what later stages hold of a shard of which no portrait is left."""
        if first == INVERT and self._standing[self.invert.name].get(shard):
            self.invert.table().discard(shard)
        for domain in self.domains:
            if domain.recipe and self._standing_of(domain.recipe).get(shard):
                domain.recipe.table().discard(shard)

    def _damaged(self, recipe: Recipe, shard: Shard, error: UpstreamDamagedError) -> None:
        """Take a damaged commit back; the next run of the same command makes it again."""
        recipe.upstream(error.stage).discard(shard.index)
        raise ItportraitError(
            f"{recipe.name}, shard {shard.index}: {uris.redact(str(error.args[-1]))}; it was taken "
            "back, and the same command computes it again"
        )

    def _adapting(self) -> bool:
        return any(domain.future is not None for domain in self.domains)

    def _poll_domains(self) -> None:
        for domain in self.domains:
            if domain.future is None or not domain.future.done():
                continue
            future, domain.future = domain.future, None
            waiting, domain.waiting = domain.waiting, []
            try:
                domain.recipe = future.result()
            except Exception as error:
                domain.error = error
                self._note(domain, "failed")
                self._say(f"domain {domain.name}: {error}")
                continue
            self._note(domain, "ready")
            for shard, inputs, items in waiting:
                self._stylize(domain, shard, inputs, items)

    def _sweep(self) -> None:
        """Remove what killed attempts left; the lease makes sure that nobody else is writing."""
        recipes = [self.align, self.invert, *(d.recipe for d in self.domains if d.recipe)]
        for recipe in recipes:
            table = recipe.table()
            table.sweep(self.totals.shards)
            with contextlib.suppress(OSError):
                uris.remove(uris.join(table.root, "_partial"), recursive=True)

    def _note(self, domain: Domain, text: str) -> None:
        if self.progress:
            self.progress.notes[domain.name] = text
            self.progress.event(f"domain {domain.name}: {text}")

    def _say(self, text: str) -> None:
        if self.progress:
            self.progress.event(text)

    def _show(self, listing: bool) -> None:
        if self.progress:
            self.progress.listing = listing
            self.progress.refresh(self.window.in_flight())
