"""A wall clock that jumps by hours, forward and back, in the processes that ask for it."""

import datetime as dt
import time

from itportrait.io import lease

EVERY_S = 2.0
_JUMPS_S = (0.0, 5 * 3600.0, -5 * 3600.0, 40.0, -40.0)
_true_time = time.time


def jump() -> None:
    """Let the wall clock of this process jump every two seconds from now on."""
    time.time = _wall_s
    lease._wall_clock = lambda: dt.datetime.fromtimestamp(_wall_s(), dt.UTC)


def _wall_s() -> float:
    turn = int(time.monotonic() / EVERY_S)
    return _true_time() + _JUMPS_S[turn % len(_JUMPS_S)]
