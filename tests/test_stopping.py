"""Ctrl-C in the middle of commands: one line, code 130, no process left, and the rerun ends well.

The rerun makes nothing anew that was committed; a bank is not built again.
`benchmarks/bm_interrupts.py` presses it at random moments of every long command, and compares the
results of the rerun with those of a run that nobody disturbed.
"""

import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.bm_interrupts import EndedTooSoonError, Series, results
from tests.helpers.small_commands import SmallCommands
from tests.helpers.terminals import OnTerminal


class OfCode(Series):
    """Interrupts code of a few lines, which is its name, in place of a command."""

    def start(self, place):
        """Start the code."""
        return OnTerminal([sys.executable, "-S", "-c", self.name])


def stop_once_ready(code, tmp_path):
    series = OfCode(f"import signal, time\n{code}", tmp_path, seed=0, goes_on=False)
    return series.interrupt(SmallCommands(tmp_path), lambda program: b"ready" in program.shown)


def test_a_program_that_takes_no_notice_of_ctrl_c_is_a_fault(tmp_path):
    deaf = "signal.signal(signal.SIGINT, signal.SIG_IGN); print('ready', flush=True); time.sleep(3)"
    assert stop_once_ready(deaf, tmp_path) == ["it took no notice of Ctrl-C"]
    with pytest.raises(EndedTooSoonError, match="ended with code 0"):
        stop_once_ready("time.sleep(0.1)", tmp_path)
    faults = stop_once_ready("print('ready', flush=True); time.sleep(60)", tmp_path)
    assert faults[0] == "code -2"
    assert "not one line" in faults


def test_where_it_ends_too_soon_the_same_part_of_its_time_is_tried(tmp_path, capsys):
    line = "stopped; nothing was begun, and the same command starts again"
    code = f"""import os, signal, sys, time
def end(*_):
    print({line!r}, flush=True)
    os._exit(130)
signal.signal(signal.SIGINT, end)
time.sleep(2.5)"""
    series = OfCode(code, tmp_path, seed=10, lasts_s=30.0, goes_on=False)
    assert [*series.run(1)] == [0]
    assert "ended with code 0" in capsys.readouterr().out


def test_results_are_the_same_but_for_times_and_what_says_other_things_differs(tmp_path):
    def written(name, **changes):
        row = {"metric": "identity", "value": 0.5, "portrait_seconds": 1.0} | changes
        times = {"metric": "adapt_seconds", "value": changes.get("portrait_seconds", 1.0)}
        root = tmp_path / name
        for folder in (root, root / "mlartifacts" / name):
            folder.mkdir(parents=True)
            pq.write_table(pa.Table.from_pylist([row, times]), folder / "part.parquet")
        return results(root)

    first = written("first")
    assert first.keys() == {"part.parquet"}
    assert written("slower", portrait_seconds=3.0) == first
    assert written("other", value=0.6) != first


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shown"), [("adapt", b"step 2:"), ("compare", b"adapting"), ("build-bank", b" Ray")]
)
def test_ctrl_c_stops_in_one_line_and_the_same_command_goes_on(tmp_path, name, shown):
    series = Series(name, tmp_path, seed=0, goes_on=name != "build-bank")
    place = series.place("stopped")
    assert series.interrupt(place, lambda program: shown in program.shown) == []
