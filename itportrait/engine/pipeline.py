"""The pipeline: takes shards of photos through all stages and every domain, so that none is
lost."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from itportrait.engine.pieces import StageResources
from itportrait.engine.poison_search import end_searches
from itportrait.engine.progress import Progress
from itportrait.engine.repeats import Repeats
from itportrait.engine.standing import Standing
from itportrait.engine.totals import Totals
from itportrait.engine.window import Window, WindowLimits
from itportrait.errors import ItportraitError
from itportrait.execution.executor import SYSTEM_CLOCK, Clock, Executor
from itportrait.io import uris
from itportrait.io.commits import Commit
from itportrait.io.lease import Lease
from itportrait.stages.items import UpstreamDamagedError, digest_of_inputs
from itportrait.stages.recipe import Recipe
from itportrait.stages.shards import Shard

_TURN_S = 0.25
"""Longest time, in seconds, that a turn waits for a task to end."""

Outputs = dict[str, str]
"""Digests of what the stages have committed of a shard, by the stage's name."""


@dataclass
class Domain:
    """A style domain of the job.

    Args:
        name: of the domain.
        recipe: of its stage; None while its style is still to be made.
        adapt: starts the adaptation; the future gives the recipe.
        doing: what `adapt` does, for people.
        stage: name of the stage that runs once for each domain: the job's last one.
    """

    name: str
    recipe: Recipe | None
    adapt: Callable[[], "Future[Recipe]"] | None = None
    doing: str = "adapting"
    stage: str = field(kw_only=True)
    progress: str = ""
    """How far `adapt` is, for people."""
    error: Exception | None = None
    future: "Future[Recipe] | None" = None
    waiting: list[tuple[int, Outputs, int]] = field(default_factory=list[tuple[int, Outputs, int]])
    """Shards (index, what was committed of them, portraits) that wait for the style."""

    @property
    def stage_name(self) -> str:
        """Return the name under which its totals are kept."""
        return f"{self.stage} {self.name}"


@dataclass(frozen=True)
class PlannedShards:
    """What a dry run found: shards by stage that are done, and that would be computed."""

    done: dict[str, int]
    to_compute: dict[str, int]


class Pipeline:
    """Runs the chain of stages over a stream of shards.

    Args:
        chain: recipes of the stages that every photo goes through, the first one first.
        domains: the last stage, once per domain.
        executor: what runs the tasks.
        limits: of the window.
        resources: by stage.
        totals: counts, filled in.
        progress: display, or None.
        lease: checked at every turn, or None.
        on_shard: called with stage, counts by status and seconds of every committed shard.
        clock: time.
    """

    def __init__(
        self,
        chain: Sequence[Recipe],
        domains: Sequence[Domain],
        *,
        executor: Executor,
        limits: WindowLimits,
        resources: dict[str, StageResources],
        totals: Totals,
        progress: Progress | None = None,
        lease: Lease | None = None,
        on_shard: Callable[[str, dict[str, int], float], None] = lambda stage, counts, seconds: (
            None
        ),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.chain, self.domains = tuple(chain), list(domains)
        self.totals, self.progress, self.lease = totals, progress, lease
        self.on_shard = on_shard
        self.window = Window(
            executor,
            limits,
            resources,
            on_commit=self._committed,
            on_damaged=self._damaged,
            on_event=self._say,
            clock=clock,
        )
        self._places = {recipe.name: place for place, recipe in enumerate(self.chain)}
        self._standing: dict[str, Standing] = {}
        self._repeats = Repeats()
        self._outputs: dict[int, Outputs] = {}
        self._source: Iterator[Shard] = iter(())
        self._listing = False
        after = ""
        for recipe in self.chain:
            totals.stage(recipe.name, after=after)
            after = recipe.name
        for domain in self.domains:
            totals.stage(domain.stage_name, after=after)

    def run(self, shards: Iterable[Shard]) -> None:
        """Bring every shard through every stage.

        Raises:
            ItportraitError: what no retry can mend; everything committed so far stays.
        """
        try:
            self.start(shards)
            while self.turn():
                pass
        except SystemExit:
            raise  # this process ends within seconds, and its tasks with it
        except BaseException:
            self.window.cancel()
            raise
        self.finish()

    def start(self, shards: Iterable[Shard]) -> None:
        """Begin the adaptations, and take shards in from now on."""
        self._source, self._listing = iter(shards), True
        for domain in self.domains:
            if domain.adapt is not None:
                domain.future = domain.adapt()
                self._note(domain, domain.doing)

    def turn(self) -> bool:
        """Take in what there is room for and wait for a task to end, at most for a moment.

        Returns:
            Whether anything is left to do.

        Raises:
            ItportraitError: what no retry can mend; everything committed so far stays.
        """
        if not (self._listing or len(self.window) or self._adapting()):
            return False
        while self._listing and self.window.has_room:
            shard = next(self._source, None)
            if shard is None:
                self._listing = False
                break
            self._take_in(shard)
            self._show()
        self._poll_domains()
        self.window.step(_TURN_S, quiet=not self._adapting())
        self._show()
        if self.lease:
            self.lease.check()
        return True

    def finish(self) -> None:
        """Remove what killed attempts left, and check that nothing was lost.

        Raises:
            ItportraitError: an input lacks its rows in a stage that it reached.
        """
        self._sweep()
        self.totals.check(frozenset(d.stage_name for d in self.domains if d.error))

    def plan(self, shards: Iterable[Shard]) -> PlannedShards:
        """Return what `run` would find done and what it would compute; nothing is written."""
        names = [recipe.name for recipe in self.chain] + [d.stage_name for d in self.domains]
        planned = PlannedShards(dict.fromkeys(names, 0), dict.fromkeys(names, 0))
        for shard in shards:
            self._count_in(shard)
            self._plan(shard, planned)
        return planned

    def _plan(self, shard: Shard, planned: PlannedShards) -> None:
        outputs: Outputs | None = {}
        for recipe in self.chain:
            commit = None if outputs is None else self._done(recipe, shard, outputs)
            planned.done[recipe.name] += commit is not None
            planned.to_compute[recipe.name] += commit is None
            if commit is not None and commit.rows_ok == 0:
                return
            outputs = None if commit is None else {**(outputs or {}), recipe.stage: commit.outputs}
        for domain in self.domains:
            commit = None
            if outputs is not None and domain.recipe is not None:
                commit = self._done(domain.recipe, shard, outputs)
            planned.done[domain.stage_name] += commit is not None
            planned.to_compute[domain.stage_name] += commit is None

    def _done(self, recipe: Recipe, shard: Shard, outputs: Outputs) -> Commit | None:
        """Return the commit of a shard if nothing of it is to be computed."""
        return self._standing_of(recipe).done(shard.index, _inputs(recipe, shard, outputs))

    def _count_in(self, shard: Shard) -> None:
        self.totals.listed += len(shard.sources)
        self.totals.shards += 1

    def _take_in(self, shard: Shard) -> None:
        self._count_in(shard)
        first = self.chain[0]
        standing = self._done(first, shard, {})
        if standing is not None:
            self._settled(first, shard, standing, kept=True)
        else:
            self.window.add(first, shard, len(shard.sources), shard.keys())

    def _committed(self, recipe: Recipe, shard: Shard, commit: Commit) -> None:
        counts = {"ok": commit.ok, "rejected": commit.rejected, "failed": commit.failed}
        self.on_shard(recipe.stage, counts, commit.seconds)
        self._settled(recipe, shard, commit, kept=False)

    def _settled(self, recipe: Recipe, shard: Shard, commit: Commit, *, kept: bool) -> None:
        """Count a shard of a stage and send it on."""
        self.totals.stage(recipe.name).add(commit, kept=kept)
        if recipe.takes_photos:
            self._repeats.hold(shard.index, commit.photos)
        else:
            self._repeats.end(recipe, shard.index)
        if recipe.name not in self._places:
            return  # of a domain: nothing follows
        following = self._places[recipe.name] + 1
        outputs = self._outputs.pop(shard.index, {}) | {recipe.stage: commit.outputs}
        if commit.rows_ok == 0:
            self._nothing_follows(shard.index, following)
        elif following < len(self.chain):
            self._outputs[shard.index] = outputs
            self._send(self.chain[following], shard.index, outputs, commit.rows_ok)
        else:
            for domain in self.domains:
                self._stylize(domain, shard.index, outputs, commit.rows_ok)

    def _stylize(self, domain: Domain, shard: int, outputs: Outputs, portraits: int) -> None:
        if domain.error is not None:
            return
        if domain.recipe is None:
            domain.waiting.append((shard, outputs, portraits))
        else:
            self._send(domain.recipe, shard, outputs, portraits)

    def _send(self, recipe: Recipe, number: int, outputs: Outputs, portraits: int) -> None:
        """Queue a shard of a later stage, behind those that it copies repeated photos from."""
        shard = Shard(number, ())
        standing = self._done(recipe, shard, outputs)
        if standing is not None:
            self._settled(recipe, shard, standing, kept=True)
            return
        inputs = _inputs(recipe, shard, outputs)

        def start(copy_from: tuple[int, ...]) -> None:
            self.window.add(recipe, shard, portraits, inputs, copy_from)

        self._repeats.begin(recipe, number, start)

    def _standing_of(self, recipe: Recipe) -> Standing:
        if recipe.name not in self._standing:
            self._standing[recipe.name] = Standing(recipe)
        return self._standing[recipe.name]

    def _nothing_follows(self, shard: int, following: int) -> None:
        """Remove the later stages' commits of a shard of which no portrait is left."""
        domains = (domain.recipe for domain in self.domains if domain.recipe)
        for recipe in (*self.chain[following:], *domains):
            if self._standing_of(recipe).get(shard):
                recipe.table().discard(shard)

    def _damaged(self, recipe: Recipe, shard: Shard, error: UpstreamDamagedError) -> None:
        """Remove a damaged commit; the next run of the same command computes it again."""
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
            for shard, outputs, portraits in waiting:
                self._stylize(domain, shard, outputs, portraits)

    def _sweep(self) -> None:
        """Remove what killed attempts left; the lease makes sure that nobody else is writing."""
        recipes = [*self.chain, *(d.recipe for d in self.domains if d.recipe)]
        for recipe in recipes:
            recipe.table().sweep(self.totals.shards)
            end_searches(recipe)

    def _note(self, domain: Domain, text: str) -> None:
        if self.progress:
            self.progress.notes[domain.name] = text
            self.progress.event(f"domain {domain.name}: {text}")

    def _say(self, text: str) -> None:
        if self.progress:
            self.progress.event(text)

    def _show(self) -> None:
        if self.progress:
            for domain in self.domains:
                if domain.future is not None and domain.progress:
                    self.progress.notes[domain.name] = domain.progress
            self.progress.listing = self._listing
            self.progress.refresh(self.window.in_flight())


def _inputs(recipe: Recipe, shard: Shard, outputs: Outputs) -> str | list[str]:
    """Return the digest of what a stage works on: of photos their keys, one by one."""
    if recipe.takes_photos:
        return shard.keys()
    return digest_of_inputs([outputs[name] for name in recipe.reads])
