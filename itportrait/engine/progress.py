"""The display of a running job: a live table on a terminal, plain lines everywhere else."""

import sys
import time
from types import TracebackType
from typing import Self, TextIO

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from itportrait.engine.totals import Totals
from itportrait.terminal import LinesNowAndThen, bring_to_front, make_console, take_away

_EVENTS_SHOWN = 4


class Progress:
    """Shows totals by stage.

    Args:
        totals: filled by the job.
        stream: where to write (default: standard error, so that results on standard output stay
            apart).
    """

    def __init__(self, totals: Totals, *, stream: TextIO | None = None) -> None:
        self.totals = totals
        self.console = make_console(stream or sys.stderr, soft_wrap=True)
        self.listing = True
        self.notes: dict[str, str] = {}
        self._in_flight: dict[str, int] = {}
        self._events: list[str] = []
        self._started = time.monotonic()
        self._live: Live | None = None
        self._lines = LinesNowAndThen(self._said, self.console.file)

    def __enter__(self) -> Self:
        """Start the display."""
        self._started = time.monotonic()
        bring_to_front(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Show the last state and stop."""
        take_away(self)
        if not self.console.is_terminal and kind is None:
            self._lines.write(self._said())

    def begin(self) -> None:
        """Write from here on; on a terminal it moves by itself."""
        if self.console.is_terminal:
            # Asked for anew whenever it is drawn: it moves also while storage is waited for.
            self._live = Live(get_renderable=self._shown, console=self.console)
            self._live.start()
        else:
            self._lines.start()

    def pause(self) -> None:
        """Leave the terminal to what comes next; the last state stays above it."""
        if self._live:
            self._live.stop()
            self._live = None
        else:
            self._lines.stop()

    def event(self, text: str) -> None:
        """Show an event: a retry, a split, a domain's progress."""
        if self.console.is_terminal:
            self._events = [*self._events[-(_EVENTS_SHOWN - 1) :], text]
        else:
            self._lines.write(f"[{self._clock()}] {text}")

    def refresh(self, in_flight: dict[str, int]) -> None:
        """Take in how many tasks of each stage are running."""
        self._in_flight = in_flight

    def _clock(self) -> str:
        seconds = int(time.monotonic() - self._started)
        return f"{seconds // 60:02d}:{seconds % 60:02d}"

    def _said(self) -> str:
        """Return the present state in one line."""
        parts: list[str] = []
        for name, stage in [*self.totals.stages.items()]:
            text = f"{name} {stage.inputs}/{self._expected(name)}"
            bad = [f"{stage.rejected} rejected"] if stage.rejected else []
            bad += [f"{stage.failed} failed"] if stage.failed else []
            parts.append(f"{text} ({', '.join(bad)})" if bad else text)
        parts += [f"{name}: {note}" for name, note in [*self.notes.items()]]
        return f"[{self._clock()}] {'; '.join(parts) or 'listing'}"

    def _expected(self, name: str) -> str:
        takes_photos = not self.totals.stages[name].after
        return f"{self.totals.expected(name)}{'+' if takes_photos and self.listing else ''}"

    def _shown(self) -> RenderableType:
        """Return the present state for a terminal."""
        notes = [f"adapt {name}: {note}" for name, note in [*self.notes.items()]]
        return Group(self._table(), *map(Text, [*notes, *self._events]))

    def _table(self) -> Table:
        table = Table(title=f"{self._clock()}", title_justify="left", expand=False)
        for column in ("stage", "done", "of", "in flight", "per s", "left", "rejected", "failed"):
            table.add_column(column, justify="left" if column == "stage" else "right")
        table.add_column("reasons")
        elapsed = max(time.monotonic() - self._started, 1e-3)
        for name, stage in [*self.totals.stages.items()]:
            rate = stage.computed / elapsed
            expected = self._expected(name)
            left = int(expected.rstrip("+")) - stage.inputs
            eta = f"{left / rate:.0f} s" if rate > 0 and left > 0 else "-"
            reasons = ", ".join(f"{kind} {count}" for kind, count in stage.reasons.most_common(3))
            table.add_row(
                name,
                str(stage.inputs),
                expected,
                str(self._in_flight.get(name, 0)),
                f"{rate:.2f}",
                eta,
                str(stage.rejected),
                str(stage.failed),
                reasons,
            )
        return table
