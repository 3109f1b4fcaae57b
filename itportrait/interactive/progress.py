"""What is shown while Python works: a line on a terminal, in a notebook's cell, or nothing."""

import io
import sys
import time
import warnings
from types import TracebackType
from typing import Any, Self

from itportrait.terminal import Working

_LEAST_S = 0.5
"""Seconds between two looks of the line of a notebook."""


def shown_working(text: str, *, wanted: bool = True) -> Working:
    """Return what shows the work that begins: in a notebook, a line of the cell.

    Args:
        text: what is done first.
        wanted: False: nothing is shown anywhere.
    """
    if not wanted:
        return Working(text, stream=io.StringIO())
    return NotebookWorking(text) if in_notebook() else Working(text)


def in_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return getattr(shell, "kernel", None) is not None


class NotebookWorking(Working):
    """A line in the cell of a notebook, replaced by the next one; when it is over, what was said.

    Args:
        text: what is done first.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text, stream=io.StringIO())
        self._said: list[str] = []
        self._doing, self._count = text, ""
        self._began, self._last = time.monotonic(), 0.0
        self._handle: Any = None
        self._quiet = warnings.catch_warnings()

    def __enter__(self) -> Self:
        """Show the line."""
        from IPython.display import display  # there is a kernel, so it is installed

        # Libraries whose bars need ipywidgets say so when they are imported; none of them is shown.
        self._quiet.__enter__()
        warnings.filterwarnings("ignore", message="IProgress not found")
        self._handle = display(self._look(), raw=True, display_id=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave what is to stay: lines that were said, and how long it took."""
        self._quiet.__exit__(kind, error, trace)
        ended = "stopped" if kind else "done"
        seconds = time.monotonic() - self._began
        self._update({"text/plain": "\n".join([*self._said, f"{ended} after {seconds:.0f} s"])})

    def now(self, text: str) -> None:
        """Say what is done from here on."""
        self._doing, self._count = text, ""
        self._show()

    def step(self, done: int, of: int | None, text: str = "") -> None:
        """Say how far it is; see `Working.step`."""
        self._count = text or (f"{done}" if of is None else f"{done} of {of}")
        self._show()

    def line(self, text: str) -> None:
        """Say what stays if it is a warning; else it is shown as what is done."""
        if text.startswith("warning:"):
            self._said.append(text)
        self._show()

    def _show(self) -> None:
        now = time.monotonic()
        if now - self._last >= _LEAST_S:
            self._last = now
            self._update(self._look())

    def _look(self) -> dict[str, str]:
        seconds = time.monotonic() - self._began
        doing = f"{self._doing}: {self._count}" if self._count else self._doing
        return {"text/plain": "\n".join([*self._said, f"{doing} ({seconds:.0f} s)"])}

    def _update(self, look: dict[str, str]) -> None:
        if self._handle is not None:
            self._handle.update(look, raw=True)
