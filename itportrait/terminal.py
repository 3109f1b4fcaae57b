"""What commands show to people: texts letter by letter, tables whole, and a line while they work.

Rich would read `[gcs]` in a text as markup and leave it out, and cut tables to 80 columns where a
program reads them. Every console of this package is made here.
"""

import sys
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

_PIPE_WIDTH = 4096
"""Columns that are assumed where nobody watches, so that nothing is cut or folded."""


def make_console(stream: TextIO | None = None, *, soft_wrap: bool = False) -> Console:
    """Return a console that shows every text as it is.

    Args:
        stream: where it writes; None: standard output.
        soft_wrap: leave lines that are too long to the terminal.
    """
    console = Console(file=stream, markup=False, emoji=False, highlight=False, soft_wrap=soft_wrap)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def make_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "", texts: int = 1
) -> Table:
    """Return a table whose cells are folded where the terminal is narrow, and never cut.

    Args:
        columns: names of the columns.
        rows: a text for each column.
        title: shown above.
        texts: number of columns, from the left, that hold texts; the others hold numbers.
    """
    table = Table(title=title or None, title_justify="left")
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index < texts else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


class Working:
    """A line at the foot of a terminal: what a command does, how far it is, and since when.

    It moves on its own, also while a model is loaded. Where nobody watches, only the lines that are
    given to `line` are written.

    Args:
        text: what is done first.
        stream: where to write; None: standard error, so that results stay apart.
    """

    def __init__(self, text: str, *, stream: TextIO | None = None) -> None:
        self._console = make_console(stream or sys.stderr)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            refresh_per_second=2,
            transient=True,
            # On a screen, printed lines go above the bar; into a pipe or a file, they stay results.
            redirect_stdout=bool(sys.stdout and sys.stdout.isatty()),
        )
        self._task = self._new_task(text)

    def __enter__(self) -> Self:
        """Show the line."""
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the line away."""
        if self._console.is_terminal:  # elsewhere it was not started, and would leave an empty line
            self._bar.stop()

    def now(self, text: str) -> None:
        """Say what is done from here on; how far it is, is not known."""
        self._bar.remove_task(self._task)
        self._task = self._new_task(text)

    def step(self, done: int, of: int | None, text: str = "") -> None:
        """Say how far it is.

        Args:
            done: units done.
            of: units in all; None where that is not known.
            text: shown in place of the numbers.
        """
        if of is None and self._task_shown().total is not None:
            self.now(self._task_shown().description)
        count = text or (f"{done}" if of is None else f"{done} of {of}")
        self._bar.update(self._task, completed=done, total=of, count=count)

    def line(self, text: str) -> None:
        """Write a line that stays."""
        if self._console.is_terminal:
            self._bar.console.print(text, soft_wrap=True)
        else:
            print(text, file=self._console.file, flush=True)

    def _new_task(self, text: str) -> TaskID:
        """Begin with what is done, how far it is being unknown: Rich forgets no total of a task."""
        return self._bar.add_task(text, total=None, count="")

    def _task_shown(self) -> Task:
        """Return the only task of the bar."""
        (task,) = self._bar.tasks
        return task
