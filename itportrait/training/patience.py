"""Patience of trainings with their machines: short memory and lost nodes are waited out."""

import time
from collections.abc import Callable
from typing import Any

from itportrait.execution.executor import SYSTEM_CLOCK, Clock


def fit_patiently(
    fit: Callable[[], Any],
    lost_with_machine: Callable[[Exception], bool],
    *,
    deadline_s: float,
    first_pause_s: float = 15.0,
    longest_pause_s: float = 300.0,
    clock: Clock = SYSTEM_CLOCK,
    sleep: Callable[[float], None] = time.sleep,
) -> Any:
    """Run a training, again after a pause where the machine ended it and not the training itself.

    Every run goes on from the last checkpoint. Short memory and lost nodes are waited out; other
    failures have had their retries within the run.

    Args:
        fit: the training.
        lost_with_machine: tells whether an error of `fit` is the machine's and not its own.
        deadline_s: seconds after which no further run begins.
        first_pause_s: pause after the first run; it doubles.
        longest_pause_s: bound of the pause.
        clock: time.
        sleep: how to pause.
    """
    began, pause = clock.monotonic(), first_pause_s
    while True:
        try:
            return fit()
        except Exception as error:
            late = clock.monotonic() + pause - began > deadline_s
            if late or not lost_with_machine(error):
                raise
        sleep(pause)
        pause = min(2 * pause, longest_pause_s)
