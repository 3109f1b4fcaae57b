"""Errands on a simulated cluster: the same patience for pages and files as for shards."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from itportrait.errors import ItportraitError, OutputError
from itportrait.execution.causes import Cause, ProcessLostError
from itportrait.execution.errands import ErrandLimits, Errands, GivenUp, run_patiently
from itportrait.execution.executor import Call
from tests.engine.simulated import LOOK_S, Fate, Shortage, SimulatedCluster


def crash(number: int):
    raise ProcessLostError("the process ended")


def call(function=abs, number: int = 1) -> Call:
    return Call(function=function, args=(number,), name=f"errand {number}")


@settings(max_examples=200, deadline=None)
@given(
    fates=st.lists(st.sampled_from(list(Fate)), max_size=40),
    bad=st.frozensets(st.integers(0, 7), max_size=3),
    short=st.lists(st.builds(Shortage, st.floats(0, 9), st.floats(2 * LOOK_S, 100)), max_size=3),
)
def test_every_call_has_one_result_and_only_bad_ones_are_given_up(fates, bad, short):
    cluster = SimulatedCluster(fates, slots=3, shortages=short)
    limits = ErrandLimits(in_flight=4, storage_retries=50, node_retries=50)
    calls = [(number, call(crash if number in bad else abs, number)) for number in range(8)]
    found = list(Errands(cluster, limits, clock=cluster.clock).run(iter(calls)))
    assert sorted(key for key, _ in found) == list(range(8))
    for key, result in found:
        if key in bad:
            assert isinstance(result, GivenUp)
            assert result.cause is Cause.CRASH
        else:
            assert result == key


def test_call_that_always_crashes_is_told_in_one_sentence():
    cluster = SimulatedCluster()
    with pytest.raises(ItportraitError, match="errand 1 could not be made") as caught:
        run_patiently(cluster, call(crash), clock=cluster.clock)
    assert "\n" not in str(caught.value)
    assert len(cluster.started) == 3
    assert cluster.started[-1].room is not None


def test_storage_that_fails_for_good_is_raised_as_it_is():
    cluster = SimulatedCluster([Fate.STORAGE] * 9)
    with pytest.raises(ConnectionError, match="hung up"):
        run_patiently(cluster, call(), clock=cluster.clock)


def full(number: int):
    raise OutputError("cannot write out: no space")


def test_what_no_retry_mends_is_raised_at_once():
    cluster = SimulatedCluster()
    with pytest.raises(OutputError, match="no space"):
        run_patiently(cluster, call(full), clock=cluster.clock)
    assert len(cluster.started) == 1


def test_check_stops_what_is_in_flight():
    cluster = SimulatedCluster()
    turns = []

    def check() -> None:
        turns.append(1)
        if len(turns) > 3:
            raise KeyboardInterrupt

    errands = Errands(cluster, ErrandLimits(in_flight=2), clock=cluster.clock)
    with pytest.raises(KeyboardInterrupt):
        list(errands.run(((n, call(abs, n)) for n in range(100)), check))
    assert len(cluster.started) <= 8
