"""Calls in this very process: results, errors, order and retries as on any executor."""

import pytest

from itportrait.errors import ItportraitError
from itportrait.execution.errands import ErrandLimits, Errands, run_patiently
from itportrait.execution.executor import Call
from itportrait.execution.in_process import InProcessExecutor


class Flaky:
    """Fails as often as it is told, and then returns what it is given."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.called = list(errors), 0

    def __call__(self, value: str) -> str:
        self.called += 1
        if self.errors:
            raise self.errors.pop(0)
        return value


def test_calls_run_when_they_are_waited_for_in_the_order_of_the_tasks():
    executor, ran = InProcessExecutor(), []
    one, two = (executor.submit(Call(function=ran.append, args=(name,))) for name in "ab")
    assert ran == []
    assert executor.wait([two, one], 0.0) == two
    assert executor.wait([one, two], 0.0) == two  # it has ended already
    assert executor.wait([one], 0.0) == one
    assert ran == ["b", "a"]
    assert executor.result(one) is None
    assert executor.wait([], 0.0) is None


def test_an_error_is_raised_as_it_was_raised():
    executor = InProcessExecutor()
    task = executor.submit(Call(function=Flaky(KeyError("x")), args=("a",)))
    assert executor.wait([task], 0.0) == task
    with pytest.raises(KeyError, match="x"):
        executor.result(task)


def test_what_is_cancelled_never_runs():
    executor, ran = InProcessExecutor(), []
    task, other = (executor.submit(Call(function=ran.append, args=(n,))) for n in (1, 2))
    executor.cancel([task, task])
    assert executor.wait([other], 0.0) == other
    assert ran == [2]


def test_storage_that_fails_in_passing_is_tried_again():
    limits = ErrandLimits(in_flight=2, backoff_s=0.0)
    calls = [(n, Call(function=Flaky(OSError("hung up")), args=(n,), name=n)) for n in "abc"]
    said: list[str] = []
    made = Errands(InProcessExecutor(), limits, on_event=said.append).run(calls)
    assert sorted(made) == [("a", "a"), ("b", "b"), ("c", "c")]
    assert len(said) == 3


def test_a_defect_is_raised_at_once():
    broken = Flaky(ItportraitError("a defect"))
    with pytest.raises(ItportraitError, match="a defect"):
        run_patiently(InProcessExecutor(), Call(function=broken, args=("a",)))
    assert broken.called == 1
