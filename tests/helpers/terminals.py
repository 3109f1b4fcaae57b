"""Programs on a terminal of their own: what they show and when, and Ctrl-C.

A moment without output is measured twice: by the clock, and without the time in which the program
had something to do and got no core, because the machine was busy otherwise. The latter is what it
would be silent on a quiet machine, so that a test of it neither fails on a busy one nor passes
whatever happens: a program that sleeps, or computes without a word, is silent by both.
"""

import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

MARK = "ITPORTRAIT_TEST_TERMINAL"
"""Environment variable that all processes of a program inherit."""
_SHELL = str(Path(__file__).with_name("terminal_shell.py"))
_TURN_S = 0.05


@dataclass(frozen=True)
class Silence:
    """A time without output.

    Args:
        began_s: when it began, in seconds since the start of the program.
        clock_s: how long it was.
        own_s: how long it would have been if the program had had a core whenever it wanted one.
        before: the last letters shown before.
    """

    began_s: float
    clock_s: float
    own_s: float
    before: str


@dataclass
class OnTerminal:
    """A program on a terminal, from its start on.

    Args:
        command: with its arguments.
        env: changes of the environment.
        cwd: working folder; None: that of the tests.
        results: file for its standard output; None: the terminal.
    """

    command: Sequence[str]
    env: dict[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    results: Path | None = None
    shown: bytes = b""
    """All that it has written, to standard output and standard error."""
    silences: list[Silence] = field(default_factory=list)
    """The times without output so far that took longer than half a second."""
    code: int | None = None
    """Exit code; None while it runs."""

    def __enter__(self) -> Self:
        """Return the program, which runs."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the terminal; see `close`."""
        self.close()

    def __post_init__(self) -> None:
        self.mark = uuid.uuid4().hex
        env = {**os.environ, "TERM": "xterm", **self.env, MARK: self.mark}
        told, tell = os.pipe()
        self._news = told
        held, self._hold = os.pipe()
        self.began = time.monotonic()
        self._terminal, own_end = pty.openpty()
        places = [str(place or "") for place in (self.cwd, self.results)]
        self._shell = subprocess.Popen(
            [sys.executable, "-IS", _SHELL, str(tell), str(held), *places, *self.command],
            stdin=own_end,
            stdout=own_end,
            stderr=own_end,
            pass_fds=(tell, held),
            start_new_session=True,
            env=env,
        )
        for descriptor in (own_end, tell, held):
            os.close(descriptor)
        self.pid = int.from_bytes(os.read(told, 8), "little")
        self._quiet = _Quiet(self.pid)

    @property
    def seconds(self) -> float:
        """Return the time since its start."""
        return time.monotonic() - self.began

    @property
    def lines(self) -> list[str]:
        """Return the lines that a person sees by now, above and on the screen, without empty
        ones."""
        return [line.rstrip() for line in lines_of(self.shown.decode(errors="replace"))]

    def turn(self) -> bool:
        """Read what there is, waiting a moment for it; return whether the program still runs."""
        readable = select.select([self._terminal], [], [], _TURN_S)[0]
        data = self._read() if readable else b""
        if data:
            self._end_silence()
            self.shown += data
        else:
            self._quiet.look()
        if self.code is None and select.select([self._news], [], [], 0)[0]:
            status = int.from_bytes(os.read(self._news, 8), "little")
            self.code = os.waitstatus_to_exitcode(status)
            while data := self._read():
                self._end_silence()
                self.shown += data
            self._end_silence()
        return self.code is None

    def wait(self, timeout_s: float = 300, until: Callable[[], bool] = lambda: False) -> None:
        """Read until something is the case, or the program has ended.

        Raises:
            TimeoutError: neither comes about in time.
        """
        deadline = time.monotonic() + timeout_s
        while self.turn() and not until():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.command} still ran after {timeout_s} s: {self.lines}")

    def press_ctrl_c(self) -> None:
        """Press Ctrl-C, which reaches all processes in front of the terminal."""
        os.write(self._terminal, b"\x03")

    def close(self) -> None:
        """Close the terminal, and end at once what processes are left."""
        for pid in self.left():
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue
        while self.turn():
            pass
        for descriptor in (self._hold, self._news, self._terminal):
            os.close(descriptor)
        self._shell.wait()

    def left(self) -> dict[int, str]:
        """Return the processes of the program that run, with their command lines.

        They are of its session, or have its mark in their environment: one that gives itself a
        title, as those of Ray do, overwrites its environment, and a server may leave the session.
        """
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            if int(folder.name) == self._shell.pid:
                continue
            try:
                is_ours = _session(folder) == self._shell.pid or (
                    f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes()
                )
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                if is_ours and command:  # else it has ended, and nobody has asked for its exit code
                    found[int(folder.name)] = command.decode(errors="replace").strip()
            except OSError:
                continue
        return found

    def longest_silence(self) -> Silence:
        """Return the longest time without output, by the program's own doing."""
        nothing = Silence(0.0, 0.0, 0.0, "")
        return max(self.silences, key=lambda silence: silence.own_s, default=nothing)

    def _read(self) -> bytes:
        try:
            if not select.select([self._terminal], [], [], 0)[0]:
                return b""
            return os.read(self._terminal, 1 << 16)
        except OSError:  # its end, as Linux tells it
            return b""

    def _end_silence(self) -> None:
        clock_s, own_s = self._quiet.end()
        if clock_s > 0.5:
            before = self.shown[-200:].decode(errors="replace")
            self.silences.append(Silence(self.seconds - clock_s, clock_s, own_s, before))


def _session(folder: Path) -> int:
    """Return the session of a process; the name before it may hold any letters."""
    return int((folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[3])


def lines_of(text: str) -> list[str]:
    """Return the lines that a terminal shows after a text, which may move the cursor up."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", text):
        if part == "\r":
            column = 0
        elif part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif not part.startswith("\x1b"):
            line = lines[row].ljust(column)
            lines[row] = line[:column] + part + line[column + len(part) :]
            column += len(part)
        elif part.endswith("A"):
            row = max(row - int(part[2:-1] or 1), 0)
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part == "\x1b[K":
            lines[row] = lines[row][:column]
    return [line for line in lines if line.strip()]


class _Quiet:
    """The present time without output of a process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.began = self.looked = time.monotonic()
        self.before, self.waited = _waits(pid), dict[str, float]()

    def look(self) -> None:
        """Note for how long threads of the process have waited for a core."""
        now = time.monotonic()
        if now - self.looked < 0.2:
            return
        self.looked = now
        for thread, waited in _waits(self.pid).items():
            self.waited[thread] = waited - self.before.get(thread, 0.0)

    def end(self) -> tuple[float, float]:
        """Begin anew; return how long it was, and how long without the waiting for a core."""
        now = time.monotonic()
        clock_s = now - self.began
        # Of the thread that waited longest: those that wait at the same time do not add up.
        own_s = clock_s - min(max(self.waited.values(), default=0.0), clock_s)
        self.began = self.looked = now
        self.before, self.waited = _waits(self.pid), {}
        return clock_s, own_s


def _waits(pid: int) -> dict[str, float]:
    """Return how many seconds each thread of a process has waited for a core; {} if not known."""
    found = {}
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            found[path.parent.name] = int(path.read_text().split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            continue
    return found


MOST_SILENT_S = 5.0
"""Longest time, in seconds, in which a command may show nothing."""


def run_watched(
    command: Sequence[str],
    *,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    timeout_s: float = 540,
) -> subprocess.CompletedProcess:
    """Run a command to its end, its standard error on a terminal, which is never long without news.

    Returns:
        Its exit code, its standard output, and the lines that are left on the terminal.

    Raises:
        AssertionError: it was silent for too long; says after what.
    """
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "stdout"
        with OnTerminal(command, env or {}, cwd, results) as program:
            program.wait(timeout_s)
        text = results.read_text()
    check_silence(program)
    return subprocess.CompletedProcess(command, program.code or 0, text, "\n".join(program.lines))


def check_silence(program: OnTerminal, most_s: float = MOST_SILENT_S) -> None:
    """Refuse a program that has shown nothing for too long."""
    silence = program.longest_silence()
    shown = " ".join(str(part) for part in program.command[:8])
    print(f"{shown}: longest silence {silence.own_s:.1f} s (by the clock {silence.clock_s:.1f} s)")
    assert silence.own_s < most_s, f"{shown} was silent: {silence}"


def on_a_terminal(code: str, *, until: bytes = b"") -> tuple[int, bytes]:
    """Run code on a terminal; press Ctrl-C once `until` is seen. Return its exit code and text."""
    with OnTerminal([sys.executable, "-c", code]) as program:
        if until:
            program.wait(60, lambda: until in program.shown)
            program.press_ctrl_c()
        program.wait(60)
    assert program.code is not None
    return program.code, program.shown
