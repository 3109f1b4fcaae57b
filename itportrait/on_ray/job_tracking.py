"""The tracked run of a whole job: opened before its workers start, closed after they are done."""

import contextlib
import logging
import threading
from dataclasses import asdict
from typing import Any

import ray
from ray.exceptions import RayError

from itportrait.bank.store import BankVersion
from itportrait.errors import ItportraitError
from itportrait.io import uris
from itportrait.jobs.domain_job import TrackingTarget
from itportrait.jobs.ready_made import record_version
from itportrait.jobs.stylize.config import TrackingConfig
from itportrait.on_ray.tasks import fetch
from itportrait.tracking import (
    Backlog,
    check_uri,
    close_tracking,
    default_spool,
    open_tracker,
    replay_spool,
    waiting_spools,
)

logger = logging.getLogger(__name__)

OPENING_S = 5.0
"""Seconds that the first training waits for the run; its worker finds it later all the same."""


class JobTracking:
    """Opens, fills and closes the run of a job, in processes other than the driver's.

    Args:
        config: where to.
        parent: name and key of the run.

    Raises:
        InvalidArgumentError: the URI is none of a tracking service.
    """

    def __init__(self, config: TrackingConfig, *, parent: str) -> None:
        self.wanted = config.uri not in ("", "none")
        if self.wanted:
            check_uri(config.uri)
        spool = str(default_spool(config.uri)) if self.wanted else None
        self.target = TrackingTarget(
            uri=config.uri, experiment=config.experiment, parent=parent, spool=spool
        )
        self.backlog = Backlog()
        """What the service does not have at the end of the job."""
        self._lock = threading.Lock()
        self._opened: ray.ObjectRef | None = None
        self._records: list[ray.ObjectRef] = []

    def open(self) -> None:
        """Let the run be made, once, and wait for it a little.

        The database is made by this one task, and not by all the workers that come after it.
        """
        if not self.wanted:
            return
        self._start()
        with contextlib.suppress(RayError):
            ray.wait([self._opened], timeout=OPENING_S)

    def _start(self) -> None:
        with self._lock:
            if self._opened is None:
                task = ray.remote(max_retries=2)(_open_run).options(num_cpus=0.1)
                self._opened = task.remote(self.target)

    def record(self, version: BankVersion) -> None:
        """Let a ready-made version be shown as a run."""
        if not self.wanted:
            return
        self._start()
        task = ray.remote(max_retries=2)(_record_after).options(num_cpus=0.1)
        self._records.append(task.remote(self._opened, version, self.target))

    def close(self) -> None:
        """Finish the run if there is one, send what waits, and keep what could not be sent."""
        for record in self._records:
            try:
                fetch(record)
            except (ItportraitError, OSError, RayError) as error:
                logger.warning("a ready-made domain is not tracked: %s", uris.redact(str(error)))
        left = self.target.spool is not None and waiting_spools(self.target.spool)
        if self._opened is None and not left:
            return
        try:
            task = ray.remote(max_retries=2)(_close_run).options(num_cpus=0.1)
            self.backlog = fetch(task.remote(self.target, self._opened is not None))
        except (ItportraitError, OSError, RayError) as error:
            logger.warning("tracking is not closed: %s", uris.redact(str(error)))

    def to_json(self) -> dict[str, Any]:
        """Return what run.json says about tracking."""
        where = {"uri": uris.redact(self.target.uri), "experiment": self.target.experiment}
        return {**where, **{k: v for k, v in asdict(self.backlog).items() if k not in where}}


def _open_run(target: TrackingTarget) -> None:
    open_tracker(
        target.uri, target.parent, experiment=target.experiment, spool=target.spool
    ).flush()


def _record_after(opened: None, version: BankVersion, target: TrackingTarget) -> None:
    """Record a version once the job's run is there, which Ray gives as the first argument."""
    record_version(version, target)


def _close_run(target: TrackingTarget, opened: bool) -> Backlog:
    if not opened:  # only an earlier job left something
        return replay_spool(target.uri, target.spool)
    tracker = open_tracker(
        target.uri, target.parent, experiment=target.experiment, spool=target.spool
    )
    return close_tracking(tracker, target.uri, target.spool)
