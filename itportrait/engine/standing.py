"""Commits of a stage that exist when a job begins: those that still hold are not computed again."""

from itportrait.engine.verdicts import all_hold
from itportrait.io.commits import Commit
from itportrait.stages.recipe import Recipe

_MARKERS_PER_ROUND = 256


class Standing:
    """The commits of one stage, read ahead in rounds, and checked against the files.

    Args:
        recipe: of the stage.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.table = recipe, recipe.table()
        self._round = -1
        self._commits: dict[int, Commit] = {}
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

    def get(self, shard: int) -> Commit | None:
        """Return a shard's commit as it was when its round was read."""
        number = shard // _MARKERS_PER_ROUND
        if number != self._round:
            first = number * _MARKERS_PER_ROUND
            self._commits = self.table.read_commits(range(first, first + _MARKERS_PER_ROUND))
            self._round = number
        return self._commits.get(shard)

    def _verdicts_hold(self, commit: Commit) -> bool:
        try:
            return all_hold(self.table, commit)
        except OSError:
            return False  # the task looks at it more closely
