"""What is shown while Python works: a line on a terminal, in a notebook's cell, or nothing."""

import io
import sys
import threading
import time
import warnings
from contextvars import copy_context
from types import TracebackType
from typing import Any, Self

from itportrait.terminal import Working

_LEAST_S = 0.5
"""Seconds between two looks of the line of a notebook, where only numbers change."""
_EVERY_S = 1.0
"""Seconds after which the line is drawn anew, since time goes on while a model works."""


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

    A thread draws it about every second, until the work ends. The methods may be called from any
    thread.

    Args:
        text: what is done first.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text, stream=io.StringIO())
        self._said: list[str] = []
        self._last = 0.0
        self._handle: Any = None
        self._over = threading.Event()
        # A copy of the context: the kernel keeps there which cell a thread draws for.
        begin = copy_context().run
        self._clock = threading.Thread(target=begin, args=(self._tick,), daemon=True)
        self._quiet = warnings.catch_warnings()

    def __enter__(self) -> Self:
        """Show the line."""
        from IPython.display import display  # there is a kernel, so it is installed

        # Libraries whose bars need ipywidgets say so when they are imported; none of them is shown.
        self._quiet.__enter__()
        warnings.filterwarnings("ignore", message="IProgress not found")
        self._handle = display(self._look(), raw=True, display_id=True)
        self._clock.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave what is to stay: lines that were said, and how long it took."""
        self._over.set()
        self._clock.join()
        self._quiet.__exit__(kind, error, trace)
        ended = "stopped" if kind else "done"
        seconds = time.monotonic() - self._began
        self._update({"text/plain": "\n".join([*self._said, f"{ended} after {seconds:.0f} s"])})

    def now(self, text: str) -> None:
        """Say what is done from here on."""
        with self._lock:
            super().now(text)
            self._show(at_once=True)

    def step(self, done: int, of: int | None, text: str = "", within: str = "") -> None:
        """Say how far it is; see `Working.step`."""
        with self._lock:
            super().step(done, of, text, within)
            self._show()

    def line(self, text: str) -> None:
        """Say what stays if it is a warning; else it is shown as what is done."""
        stays = text.startswith("warning:")
        with self._lock:
            if stays:
                self._said.append(text)
            self._show(at_once=stays)

    def _show(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if at_once or now - self._last >= _LEAST_S:
            self._last = now
            self._update(self._look())

    def _tick(self) -> None:
        while not self._over.wait(_EVERY_S):
            with self._lock:
                self._show()

    def _look(self) -> dict[str, str]:
        seconds = time.monotonic() - self._began
        doing = f"{self._text}: {self._count}" if self._count else self._text
        return {"text/plain": "\n".join([*self._said, f"{doing} ({seconds:.0f} s)"])}

    def _update(self, look: dict[str, str]) -> None:
        if self._handle is not None:
            self._handle.update(look, raw=True)
