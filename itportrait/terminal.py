"""What commands show to people: texts letter by letter, tables whole, and a line while they work.

Rich would read `[gcs]` in a text as markup and leave it out, and cut tables to 80 columns where a
program reads them. Every console of this package is made here.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import IO, NamedTuple, Protocol, Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

_PIPE_WIDTH = 4096
"""Columns that are assumed where nobody watches, so that nothing is cut or folded."""
LINE_EVERY_S = 15.0
"""Seconds without a line after which one says how far it is, where nobody watches."""


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


class LinesNowAndThen:
    """Lines of a display where nobody watches.

    Args:
        said: tells how far it is, in one line.
        file: where to write.
        every_s: seconds without a line after which one is written.
    """

    def __init__(
        self, said: Callable[[], str], file: IO[str], every_s: float = LINE_EVERY_S
    ) -> None:
        self._said, self._file, self._every_s = said, file, every_s
        self._last = time.monotonic()
        self._end: threading.Event | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to say how far it is."""
        self._last, self._end = time.monotonic(), threading.Event()
        threading.Thread(target=self._run, args=(self._end,), name="progress", daemon=True).start()

    def stop(self) -> None:
        """End; no line follows but those that are written."""
        if self._end is not None:
            self._end.set()

    def write(self, text: str) -> None:
        """Write a line."""
        with self._lock:
            self._last = time.monotonic()
            print(text, file=self._file, flush=True)

    def _run(self, end: threading.Event) -> None:
        while not end.wait(max(self._last + self._every_s - time.monotonic(), 0.01)):
            if time.monotonic() - self._last >= self._every_s:
                try:
                    self.write(self._said())
                except (OSError, ValueError):  # nobody is there any more to be told
                    return


class Working:
    """A line at the foot of a terminal: what a command does, how far it is, and since when.

    It moves on its own, also while a model is loaded. Below it stand the things that are worked on
    at the same time, one line each. Where nobody watches, the lines that are given to `line` are
    written, and one that says how far it is whenever there was none for a while. The methods may be
    called from any thread.

    Args:
        text: what is done first.
        stream: where to write; None: standard error, so that results stay apart.
        every_s: seconds without a line after which one is written where nobody watches.
    """

    def __init__(
        self, text: str, *, stream: TextIO | None = None, every_s: float = LINE_EVERY_S
    ) -> None:
        self._console = make_console(stream or sys.stderr)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._live: Live | None = None
        self._lock = threading.RLock()
        self._text, self._count, self._total = text, "", None
        self._task = self._new_task(text)
        self._beside: dict[str, _Beside] = {}
        self._lines = LinesNowAndThen(self.said, self._console.file, every_s)
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        """Show the line, in place of one that is shown already until this one is taken away."""
        _displays.push(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the line away."""
        _displays.pop(self)

    def begin(self) -> None:
        """Write to the terminal from here on."""
        if self._console.is_terminal:
            # A new one each time: one that is started again erases lines of what was shown since.
            self._live = Live(
                get_renderable=self._bar.get_renderable,
                console=self._console,
                refresh_per_second=2,
                transient=True,
                # On a screen, printed lines go above it; into a pipe or a file, they stay results.
                redirect_stdout=bool(sys.stdout and sys.stdout.isatty()),
            )
            self._live.start(refresh=True)
        else:
            self._lines.start()

    def pause(self) -> None:
        """Leave the terminal to another display, or to what comes next."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._lines.stop()

    def now(self, text: str) -> None:
        """Say what is done from here on; how far it is, is not known."""
        with self._lock:
            self._bar.remove_task(self._task)
            self._text, self._count, self._total = text, "", None
            self._task = self._new_task(text)
            self._below()

    def step(self, done: int, of: int | None, text: str = "", within: str = "") -> None:
        """Say how far it is.

        Args:
            done: units done.
            of: units in all; None where that is not known.
            text: shown in place of the numbers.
            within: how far the next unit is, shown behind them; "" for nothing.
        """
        with self._lock:
            if of is None and self._total is not None:
                self.now(self._text)
            self._total = of
            count = text or (f"{done}" if of is None else f"{done} of {of}")
            self._count = f"{count}, {within}" if within else count
            self._bar.update(self._task, completed=done, total=of, count=self._count)

    def beside(self, name: str, text: str, share: float | None = None) -> None:
        """Say how far one of the things is that are worked on at the same time.

        Args:
            name: of it.
            text: how far it is; "" when it has ended.
            share: of it that is done, from 0 to 1; None where that is not known.
        """
        with self._lock:
            former = self._beside.get(name)
            if former is not None and (not text or (share is None) != (former.share is None)):
                self._bar.remove_task(former.task)
                del self._beside[name]
                former = None
            if not text:
                return
            task = self._new_task(f"  {name}") if former is None else former.task
            total = None if share is None else 1.0
            self._bar.update(task, completed=share or 0.0, total=total, count=text)
            self._beside[name] = _Beside(task, text, share)

    def line(self, text: str) -> None:
        """Write a line that stays."""
        if self._console.is_terminal:
            self._console.print(text, soft_wrap=True)
        else:
            self._lines.write(text)

    def said(self) -> str:
        """Return what it shows, in one line."""
        seconds = int(time.monotonic() - self._began)
        with self._lock:
            whole = f"{self._text}: {self._count}" if self._count else self._text
            others = [f"{name}: {each.text}" for name, each in self._beside.items()]
            return f"[{seconds // 60:02d}:{seconds % 60:02d}] {'; '.join([whole, *others])}"

    def _new_task(self, text: str) -> TaskID:
        """Begin with what is done, how far it is being unknown: Rich forgets no total of a task."""
        return self._bar.add_task(text, total=None, count="")

    def _below(self) -> None:
        """Bring the things that are worked on at the same time below the line again."""
        for name, each in [*self._beside.items()]:
            self.beside(name, "")
            self.beside(name, each.text, each.share)


class Display(Protocol):
    """Something that moves on the terminal."""

    def begin(self) -> None:
        """Write to the terminal from here on."""
        ...

    def pause(self) -> None:
        """Leave the terminal to another display, or to what comes next."""
        ...


class _Displays:
    """What is shown, one in place of the other: a terminal has one foot."""

    def __init__(self) -> None:
        self._stack: list[Display] = []
        self._lock = threading.Lock()

    def push(self, display: Display) -> None:
        """Show a display in place of the last one."""
        with self._lock:
            if self._stack:
                self._stack[-1].pause()
            self._stack.append(display)
            display.begin()

    def pop(self, display: Display) -> None:
        """Take a display away, and show the one before it again."""
        with self._lock:
            if display not in self._stack:
                return
            is_last = self._stack[-1] is display
            self._stack.remove(display)
            if is_last:
                display.pause()
                if self._stack:
                    self._stack[-1].begin()

    def clear(self) -> None:
        """Take all displays away, also one that cannot be paused: Ctrl-C has left it half made."""
        with self._lock:
            for display in reversed(self._stack):
                with contextlib.suppress(Exception):
                    display.pause()
            self._stack.clear()


_displays = _Displays()


def bring_to_front(display: Display) -> None:
    """Show a display, in place of the one that is shown already."""
    _displays.push(display)


def take_all_away() -> None:
    """Take all displays away, also one that Ctrl-C has interrupted while it came or went."""
    _displays.clear()


def take_away(display: Display) -> None:
    """Take a display away; the one before it is shown again."""
    _displays.pop(display)


class _Nothing:
    """A terminal on which nothing moves."""

    def begin(self) -> None:
        """Write nothing."""

    def pause(self) -> None:
        """Go on to write nothing."""


@contextlib.contextmanager
def still_terminal() -> Iterator[None]:
    """Let nothing move on the terminal while the block prints results to it."""
    nothing = _Nothing()
    bring_to_front(nothing)
    try:
        yield
    finally:
        take_away(nothing)


class _Beside(NamedTuple):
    """One of several things that are worked on at the same time."""

    task: TaskID
    text: str
    share: float | None
