"""The tracked run of a whole job: opened before its workers start, and closed after they end."""

import logging
import math
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import asdict
from typing import Any

from itportrait.bank.version import BankVersion
from itportrait.errors import ItportraitError
from itportrait.execution.causes import ClusterLostError, TaskLostError
from itportrait.execution.errands import run_patiently
from itportrait.execution.executor import Call, Executor
from itportrait.io import uris
from itportrait.jobs.ready_made import record_version
from itportrait.jobs.stylize.config import TrackingConfig
from itportrait.tracking import (
    NOTE_TAG,
    Backlog,
    check_uri,
    close_tracking,
    default_spool,
    open_tracker,
    replay_spool,
    waiting_spools,
)
from itportrait.training.domain_job import TrackingTarget

logger = logging.getLogger(__name__)

OPENING_S = 5.0
"""Seconds that trainings wait for the run, from when it begins to be made; workers that begin
after that find the run later."""
_MOST_TRIES = 3
"""Largest number of tasks that try to make the run, where one after the other is lost."""


class JobTracking:
    """Opens, fills and closes the run of a job, in processes other than the driver's.

    Args:
        config: where to.
        executor: runs these processes; nothing else uses it.
        parent: name and key of the run.

    Raises:
        InvalidArgumentError: the URI is none of a tracking service.
    """

    def __init__(self, config: TrackingConfig, executor: Executor, *, parent: str) -> None:
        self.wanted = config.uri not in ("", "none")
        if self.wanted:
            check_uri(config.uri)
        spool = str(default_spool(config.uri)) if self.wanted else None
        self.target = TrackingTarget(
            uri=config.uri, experiment=config.experiment, parent=parent, spool=spool
        )
        self.backlog = Backlog()
        """What the service does not have at the end of the job."""
        self._executor = executor
        self._lock = threading.Lock()
        self._opening: Hashable | None = None
        """The task that makes the run, until it has ended."""
        self._tries, self._began = 0, 0.0
        self._held_back: list[tuple[Callable[..., None], BankVersion]] = []
        """Versions that are shown once the run is made, each with the function that shows it."""
        self._records: list[tuple[Call, Hashable]] = []

    def open(self) -> None:
        """Let the run be made, once, and wait for it a little.

        The database is made by this one task, and not by all the workers that come after it.
        """
        if self.wanted:
            with self._lock:
                self._await_run(OPENING_S)

    def record(self, version: BankVersion, show: Callable[..., None] = record_version) -> None:
        """Let a version be shown on a run of its own, once the job's run is made.

        By default it is a ready-made one, which has no run yet. Its task would make the job's run
        as well, and a server would then have two of them. So a version is held back for as long as
        the making takes.
        """
        if self.wanted:
            with self._lock:
                self._held_back.append((show, version))
                self._await_run(OPENING_S)

    def close(self) -> None:
        """Finish the run if there is one, send what waits, and keep what could not be sent."""
        with self._lock:
            if self._held_back:
                self._await_run(math.inf)
            self._finish()

    def _await_run(self, patience_s: float) -> None:
        """Wait for the run, which begins to be made if need be, and show what was held back."""
        if not self._tries:
            self._began = time.monotonic()
            self._make_run()
        try:
            while self._opening is not None:
                left_s = max(self._began + patience_s - time.monotonic(), 0.0)
                if self._executor.wait([self._opening], min(left_s, 1.0)) is not None:
                    self._settle()
                elif not left_s:
                    return
        except ClusterLostError:
            return
        for show, version in self._held_back:
            call = _call(show, version, self.target)
            self._records.append((call, self._executor.submit(call)))
        self._held_back.clear()

    def _make_run(self) -> None:
        self._tries += 1
        self._opening = self._executor.submit(_call(_open_run, self.target))

    def _settle(self) -> None:
        """Take note of how the making of the run ended; it begins anew where its task was lost.

        Raises:
            ClusterLostError: nothing can run any more.
        """
        task, self._opening = self._opening, None
        try:
            self._executor.result(task)
        except TaskLostError:
            if self._tries < _MOST_TRIES:
                self._make_run()
        except ClusterLostError:
            raise
        except Exception as error:  # what is reported waits in the spool, and the job goes on
            logger.warning("the run of the job is not made: %s", uris.redact(str(error)))

    def _finish(self) -> None:
        for call, task in self._records:
            try:
                self._wait_for(call, task)
            except (ItportraitError, OSError) as error:
                logger.warning("a domain is not tracked: %s", uris.redact(str(error)))
        opened = self._tries > 0
        if not opened and not (self.target.spool and waiting_spools(self.target.spool)):
            return
        try:
            call = _call(_close_run, self.target, opened)
            self.backlog = run_patiently(self._executor, call)
        except (ItportraitError, OSError) as error:
            logger.warning("tracking is not closed: %s", uris.redact(str(error)))

    def _wait_for(self, call: Call, task: Hashable) -> None:
        while self._executor.wait([task], 1.0) is None:
            pass
        try:
            self._executor.result(task)
        except TaskLostError:
            run_patiently(self._executor, call)

    def to_json(self) -> dict[str, Any]:
        """Return what run.json says about tracking."""
        where = {"uri": uris.redact(self.target.uri), "experiment": self.target.experiment}
        return {**where, **{k: v for k, v in asdict(self.backlog).items() if k not in where}}


def _call(function: Callable[..., Any], *args: Any) -> Call:
    return Call(function=function, args=args, name="tracking", num_cpus=0.1)


def _open_run(target: TrackingTarget) -> None:
    note = (
        "A job that stylizes photos. Below it a run for each style domain that it adapted, or that "
        "came with the base model; what became of the photos is in its output folder: report.html, "
        "gallery/index.html and run.json."
    )
    open_tracker(
        target.uri,
        target.parent,
        experiment=target.experiment,
        spool=target.spool,
        tags={"kind": "job", NOTE_TAG: note},
    ).flush()


def _close_run(target: TrackingTarget, opened: bool) -> Backlog:
    if not opened:  # only an earlier job left something
        return replay_spool(target.uri, target.spool)
    tracker = open_tracker(
        target.uri, target.parent, experiment=target.experiment, spool=target.spool
    )
    return close_tracking(tracker, target.uri, target.spool)
