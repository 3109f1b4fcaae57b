"""Ctrl-C in the middle of commands: one line, code 130, no process left, and the rerun goes on.

`benchmarks/bm_interrupts.py` presses it at random moments of every long command.
"""

import pytest

from benchmarks.bm_interrupts import Series


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shown"), [("adapt", b"step 2:"), ("compare", b"adapting"), ("build-bank", b" Ray")]
)
def test_ctrl_c_stops_in_one_line_and_the_same_command_goes_on(tmp_path, name, shown):
    series = Series(name, tmp_path, seed=0, goes_on=name != "build-bank")
    place = series.place("stopped")
    assert series.interrupt(place, lambda program: shown in program.shown) == []
