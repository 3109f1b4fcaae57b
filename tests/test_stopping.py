"""Ctrl-C in the middle of commands: one line, code 130, no process left, and the rerun ends well.

The rerun makes nothing anew that was committed; a bank is not built again.
`benchmarks/bm_interrupts.py` presses it at random moments of every long command, and compares the
results of the rerun with those of a run that nobody disturbed.
"""

import sys

import pytest

from benchmarks.bm_interrupts import EndedTooSoonError, Series
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shown"), [("adapt", b"step 2:"), ("compare", b"adapting"), ("build-bank", b" Ray")]
)
def test_ctrl_c_stops_in_one_line_and_the_same_command_goes_on(tmp_path, name, shown):
    series = Series(name, tmp_path, seed=0, goes_on=name != "build-bank")
    place = series.place("stopped")
    assert series.interrupt(place, lambda program: shown in program.shown) == []
