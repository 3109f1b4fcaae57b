"""Ctrl-C at random moments of every long command: what is shown, what stays, and that it goes on.

    python -m benchmarks.bm_interrupts --only build-bank --moments 10 --seed 0

Every command runs on a terminal of its own, small (`tests/helpers/small_commands.py`), once to its
end and then, in a new folder each time, until a moment that is drawn from one of as many equal
parts of that time, from its very start on. There Ctrl-C is pressed. Printed for each: when, the
seconds until the program had ended, what is new on the screen; and every fault: a program that
takes no notice of it, or only after 15 s, another exit code than 130, more than one line or one
that says no way on, processes that are left, a rerun that does not end well, that computes anew
what was committed, or whose results differ from those of the run that nobody disturbed. Where a
program ends before its moment, because the machine is less busy by now, the same part of the time
that it took is tried. Ends with 1 if there was any fault.
"""

import argparse
import hashlib
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
from safetensors.torch import load_file

from tests.helpers.same_outputs import DRAWN_NAME, TIMES
from tests.helpers.small_commands import SmallCommands
from tests.helpers.terminals import OnTerminal

ROOT = Path(__file__).parents[1]
SEEN = re.compile(r"stopped; nothing was begun|the same command goes on|stopped while it ended")
NOISE = re.compile(r"Traceback|Error|[Ee]xception|[Ww]arning|WARN|\(pid=|^\s+File ")
VOLATILE = TIMES | {"input_key", "portrait_seconds", "adapt_seconds", "style_bytes"}
"""Columns that another folder or another run changes, and measures that are times; a style's file
says in its header how many seconds it took, so that its size depends on the digits of them."""
GRACE_S = 10.0
"""Seconds after the end of a program in which its last processes may end."""
PROMPT_S = 15.0
"""Seconds after Ctrl-C in which a program has ended, on a machine with other work too."""
ENDED_S = 1.5
"""Seconds after Ctrl-C in which a program may end with code 0, because it was ending by itself."""


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", action="append", help="a command; may be repeated")
    parser.add_argument("--moments", type=int, default=10, help="of each command")
    parser.add_argument("--first", type=int, default=0, help="moment to begin with")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--lasts", type=float, help="seconds it takes; default: try it")
    parser.add_argument("--stop-only", action="store_true", help="do not run it again")
    given = parser.parse_args()
    faults = 0
    for name in given.only or [*LONG]:
        with tempfile.TemporaryDirectory(prefix="interrupts-") as folder:
            series = Series(name, Path(folder), given.seed, given.lasts, not given.stop_only)
            faults += sum(series.run(given.moments, given.first), 0)
    print(f"{faults} faults")
    sys.exit(1 if faults else 0)


LONG = ("stylize-dataset", "build-bank", "compare", "adapt", "align", "invert", "stylize")
"""Commands that may take long."""


class EndedTooSoonError(Exception):
    """A program has ended before Ctrl-C was pressed, which then shows nothing.

    Args:
        program: which has ended.
    """

    def __init__(self, program: OnTerminal) -> None:
        super().__init__(f"ended with code {program.code}: {program.lines[-3:]}")
        self.seconds = program.seconds


@dataclass
class Series:
    """Interruptions of one command.

    Args:
        name: of the command.
        folder: for all of its runs.
        seed: of the moments.
        lasts_s: how long it takes; None: a run to its end tells, with which results are compared.
        goes_on: run it again after each interruption.
    """

    name: str
    folder: Path
    seed: int
    lasts_s: float | None = None
    goes_on: bool = True
    expected: dict[str, str] = field(default_factory=dict)

    def run(self, moments: int, first: int = 0) -> Iterator[int]:
        """Yield the number of faults at each moment."""
        rng = random.Random(f"{self.seed} {self.name}")
        lasted_s = self.lasts_s or self.whole()
        shares = [(number + rng.random()) / moments for number in range(moments)]
        for number, share in [*enumerate(shares)][first:]:
            said = ["it ended before each moment"]
            for attempt, sooner in enumerate((1.0, 0.9, 0.8)):
                at_s = share * sooner * lasted_s
                place = self.place(f"moment-{number}-{attempt}")
                try:
                    said = self.interrupt(place, lambda program, at=at_s: program.seconds >= at)
                    break
                except EndedTooSoonError as error:
                    print(f"  at {at_s:5.1f} s: {error}", flush=True)
                    lasted_s = error.seconds
            print("".join(f"  FAULT {text}\n" for text in said), end="", flush=True)
            yield len(said)

    def whole(self) -> float:
        """Run it to its end, keep what its results are, and return how long it took."""
        place = self.place("whole")
        with self.start(place) as program:
            program.wait(600)
            silence, lasted_s = program.longest_silence(), program.seconds
        if program.code:
            raise RuntimeError(f"{self.name} ends with {program.code}: {program.lines}")
        self.expected = results(place.root)
        print(
            f"{self.name}: {lasted_s:.0f} s, {len(self.expected)} results, "
            f"longest silence {silence.own_s:.1f} s (clock {silence.clock_s:.1f} s)",
            flush=True,
        )
        return lasted_s

    def place(self, name: str) -> SmallCommands:
        """Return a new folder with what the command needs."""
        root = self.folder / name / "place"
        root.mkdir(parents=True)
        place = SmallCommands(root)
        place.write()
        for earlier, command in place.stages().items():
            if earlier == self.name or self.name not in place.stages():
                break
            self.finish(place, command)
        return place

    def interrupt(self, place: SmallCommands, until: Callable[[OnTerminal], bool]) -> list[str]:
        """Press Ctrl-C at a moment, run the command again, and return what was wrong.

        Raises:
            EndedTooSoonError: it ended before that moment.
        """
        with self.start(place) as program:
            program.wait(600, lambda: until(program))
            moment_s = program.seconds
            before = [line for line in program.lines]
            if program.code is not None:
                raise EndedTooSoonError(program)
            program.press_ctrl_c()
            pressed = time.monotonic()
            program.wait(120)
            ended_s = time.monotonic() - pressed
            left = program.left()
            while left and time.monotonic() - pressed < ended_s + GRACE_S:
                time.sleep(0.2)
                left = program.left()
            gone_s = time.monotonic() - pressed - ended_s
            code, after = program.code, program.lines
        new = [line for line in after if line not in before]
        print(
            f"  at {moment_s:5.1f} s: code {code}, ended after {ended_s:.1f} s, "
            f"its processes {gone_s:.1f} s later; {new}",
            flush=True,
        )
        faults = [f"a process is left: {text[:120]}" for text in left.values()]
        if code == 0:
            faults += ["it took no notice of Ctrl-C"] if ended_s > ENDED_S else []
        else:
            faults += [f"code {code}"] if code != 130 else []
            faults += [f"it ended after {ended_s:.0f} s"] if ended_s > PROMPT_S else []
            faults += [] if sum(bool(SEEN.search(line)) for line in new) == 1 else ["not one line"]
            faults += [] if new and SEEN.search(new[-1]) else ["it is not the last line"]
            faults += [f"it shows {line!r}" for line in new if NOISE.search(line)]
        return faults + (self.again(place) if self.goes_on else [])

    def again(self, place: SmallCommands) -> list[str]:
        """Run the command again to its end, and return what was wrong."""
        committed = stamps(place.root)
        with self.start(place) as program:
            program.wait(600)
        faults = [] if program.code == 0 else [f"the rerun ends with {program.code}"]
        faults += [f"the rerun shows {line!r}" for line in program.lines if "Traceback" in line]
        now = stamps(place.root)
        faults += [f"made anew: {path}" for path in committed if now.get(path) != committed[path]]
        found = results(place.root)
        if self.expected and found != self.expected:
            names = {*found.items()} ^ {*self.expected.items()}
            faults.append(f"other results: {sorted({name for name, _ in names})}")
        if faults:
            print("    | " + "\n    | ".join(program.lines[-40:]))
        return faults

    def finish(self, place: SmallCommands, command: list[str]) -> None:
        """Run an earlier command to its end."""
        with self.program(place, command) as program:
            program.wait(600)
        if program.code:
            raise RuntimeError(f"{command}: {program.lines}")

    def start(self, place: SmallCommands) -> OnTerminal:
        """Start the command."""
        return self.program(place, {**place.stages(), **place.jobs()}[self.name])

    def program(self, place: SmallCommands, command: list[str]) -> OnTerminal:
        """Start a command."""
        env = {"PYTHONPATH": str(ROOT), "ITPORTRAIT_RUNS": f"{place.root}/runs"}
        return OnTerminal([sys.executable, "-m", "itportrait", *command], env, place.root)


def stamps(root: Path) -> dict[str, int]:
    """Return when each committed file was written."""
    found: dict[str, int] = {}
    for marker in [*root.rglob("_commits/*.json"), *root.rglob("domain.json")]:
        found[str(marker.relative_to(root))] = marker.stat().st_mtime_ns
    for marker in [*root.rglob("cell.json"), *root.rglob("style.json")]:
        found[str(marker.relative_to(root))] = marker.stat().st_mtime_ns
    return found


def results(root: Path) -> dict[str, str]:
    """Return a digest of what each file of results says, apart from times and names of folders.

    What MLflow holds are copies, in folders whose names are drawn.
    """
    found: dict[str, str] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name.startswith("mlartifacts/"):
            continue
        if path.suffix == ".safetensors" and "/model/" not in f"/{name}":
            found[name] = _digest({k: v.tolist() for k, v in load_file(path).items()})
        elif path.suffix == ".parquet":
            rows = pq.ParquetFile(path).read().to_pylist()
            rows = [row for row in rows if row.get("metric") not in VOLATILE]
            found[DRAWN_NAME.sub("*", name)] = _digest([_plain(row, str(root)) for row in rows])
    return found


def _digest(content: object) -> str:
    return hashlib.sha256(repr(content).encode()).hexdigest()[:16]


def _plain(value: object, root: str) -> object:
    if isinstance(value, dict):
        items = value.items()
        return {k: _plain(v, root) for k, v in items if k not in VOLATILE}
    if isinstance(value, list):
        return [_plain(each, root) for each in value]
    if isinstance(value, str):
        return value.replace(root, "")
    return value


if __name__ == "__main__":
    main()
