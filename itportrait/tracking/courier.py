"""Carry events from spools to the tracking service in the background, so that work does not
wait.

The work waits at the end of a run alone, and there only while events arrive: a service that is
silent, slow or away costs each process a few seconds in all, whatever it hangs in.
"""

import logging
import math
import threading
import time
from collections.abc import Iterable

from itportrait.io import uris
from itportrait.tracking.faults import (
    BrokenStoreError,
    RefusedError,
    is_failure_of_service,
    shorten,
)
from itportrait.tracking.mlflow_store import MlflowStore
from itportrait.tracking.spool import Event, Spool

logger = logging.getLogger(__name__)

OPENING_S = 180.0
"""Seconds that a closing run waits for MLflow to be imported and its database to be made."""
SILENCE_S = 5.0
"""Seconds that a closing run waits for one event to arrive."""
PATIENCE_S = 10.0
"""Seconds that a process waits altogether for a service that is too slow."""
_FREE_S = 1.0
_IDLE_S = 5.0
_TURN_S = 0.05
_ATTEMPTS = 3


class Courier:
    """One thread that empties spools while the process works.

    Args:
        store: the service; used by this thread alone.
        retry_s: seconds without a new attempt after a failed one.
        patience_s: seconds that all waits together may take, until the service keeps up again.
    """

    def __init__(
        self, store: MlflowStore, *, retry_s: float = 20.0, patience_s: float = PATIENCE_S
    ) -> None:
        self.store, self.retry_s = store, retry_s
        self.problem = ""
        """Why events wait, in a sentence; empty: nothing is known to hinder them."""
        self._patience_s = self._full_patience_s = patience_s
        self._spools: dict[str, Spool] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._retry_at = 0.0
        self._opening = False
        self._busy_since: float | None = None
        self._last_s = 0.0
        self._elsewhere = False
        self._said = ""

    def notify(self, spool: Spool) -> None:
        """Let the thread send what waits in a spool."""
        with self._changed:
            self._spools[str(spool.path)] = spool
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def settle(self, spools: Iterable[Spool], *, most_s: float = math.inf) -> bool:
        """Wait until the service has all that waits in `spools`, for as long as events arrive.

        Args:
            spools: of the runs that are waited for.
            most_s: seconds after which it is not waited any longer, whatever the service does.

        Returns:
            Whether it has.
        """
        spools = list(spools)
        with self._changed:
            if self._closed:
                return all(spool.empty for spool in spools)
            if self.problem and self._last_s > _FREE_S and time.monotonic() < self._retry_at:
                return False  # a service that was silent just now is not waited for again
            self._retry_at, self.problem = 0.0, ""  # one last attempt, at any time
        for spool in spools:
            self.notify(spool)
        waited, end = 0.0, time.monotonic() + most_s
        with self._changed:
            while time.monotonic() < end and not all(spool.empty for spool in spools):
                self.problem = self.problem or self._silence()
                if self.problem or self._closed or waited > self._patience_s:
                    break
                before = time.monotonic()
                self._changed.wait(_TURN_S)
                waited += 0.0 if self._opening else time.monotonic() - before
        cost = waited if self.problem else max(waited - _FREE_S, 0.0)
        self._patience_s = max(self._patience_s - cost, 0.0)
        if self._elsewhere and not self.problem:
            self.problem = "another process is sending"
        return all(spool.empty for spool in spools)

    def _silence(self) -> str:
        """Return a complaint if the present step has taken too long."""
        since = self._busy_since
        seconds = 0.0 if since is None else time.monotonic() - since
        limit = OPENING_S if self._opening else min(SILENCE_S, self._patience_s)
        return f"no answer within {seconds:.0f} s" if seconds > limit else ""

    def close(self) -> None:
        """End the thread after the event that it is sending; what waits is kept."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        idle_since = time.monotonic()
        while True:
            with self._changed:
                waiting = [spool for spool in self._spools.values() if not spool.empty]
                now = time.monotonic()
                if waiting:
                    idle_since = now
                if self._closed or now - idle_since > _IDLE_S:
                    self._thread = None
                    return
                if not waiting or now < self._retry_at:
                    self._changed.wait(_IDLE_S if not waiting else min(self._retry_at - now, 1.0))
                    continue
            self._deliver(waiting)

    def _deliver(self, spools: list[Spool]) -> None:
        """Send the waiting events; pause where the service is away."""
        problem, everything = "", True
        try:
            self._open()
            for spool in spools:
                try:
                    everything &= spool.drain(self._send)
                except BrokenStoreError as error:  # this run cannot be opened; others may
                    problem = str(error)
        except _ClosedError:
            pass
        except _AwayError as error:
            problem = str(error)
        except OSError as error:
            problem = f"the spool cannot be read ({shorten(error)})"
        if problem:
            self._pause(problem)
        with self._changed:
            if not problem:
                self.problem = self._said = ""
                self._patience_s = self._full_patience_s
            self._changed.notify_all()
            self._elsewhere = not everything
            if self._elsewhere and not problem:
                self._changed.wait(_TURN_S)

    def _open(self) -> None:
        self._opening, self._busy_since = True, time.monotonic()
        try:
            self.store.open()
        except Exception as error:
            raise _AwayError(_sentence(error)) from error
        finally:
            self._rest()

    def _send(self, event: Event) -> None:
        for attempt in range(_ATTEMPTS):
            if self._closed:
                raise _ClosedError
            self._busy_since = time.monotonic()
            try:
                self.store.send(event)
                return
            except RefusedError as error:
                self._drop(event, error)
                return
            except BrokenStoreError:
                raise
            except Exception as error:
                if not (is_failure_of_service(error) and self.store.answers()):
                    raise _AwayError(_sentence(error)) from error
                if attempt == _ATTEMPTS - 1:  # the service answers, and fails at this event alone
                    self._drop(event, error)
            finally:
                self._rest()

    def _rest(self) -> None:
        self._last_s = time.monotonic() - (self._busy_since or 0.0)
        self._opening, self._busy_since = False, None

    def _drop(self, event: Event, error: Exception) -> None:
        run = event.get("run")
        key = run.get("key") if isinstance(run, dict) else None
        logger.warning("MLflow refused %s of run %s: %s", event.get("kind"), key, shorten(error))

    def _pause(self, problem: str) -> None:
        with self._changed:
            news, self._said = problem != self._said, problem
            self.problem, self._retry_at = problem, time.monotonic() + self.retry_s
        if news:
            where = uris.redact(self.store.uri)
            logger.warning("MLflow at %s is away, points are spooled: %s", where, problem)


class _ClosedError(Exception):
    """The courier is to end before the next event."""


class _AwayError(Exception):
    """The service does not take events now."""


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, BrokenStoreError) else shorten(error)
