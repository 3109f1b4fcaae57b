"""Runs in MLflow that never stop the work: events go to a local spool, and from there to MLflow."""

import logging
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from itportrait.cache import cache_folder
from itportrait.errors import InvalidArgumentError
from itportrait.image import encode
from itportrait.io import uris
from itportrait.text import shown
from itportrait.tracking.base import Backlog, RunStatus, Tracker
from itportrait.tracking.courier import PATIENCE_S, Courier
from itportrait.tracking.database import absolute_uri, database_path
from itportrait.tracking.mlflow_store import MlflowStore
from itportrait.tracking.spool import Event, Spool, pack_bytes

logger = logging.getLogger(__name__)

DEFAULT_URI = "sqlite:///runs/mlflow.db"
_STOPPED_S = 2.0
"""Seconds that a run waits for its service when its process was told to stop."""


class MlflowTracker(Tracker):
    """One MLflow run, found again by `key` within its experiment, or made.

    Args:
        name: shown in the UI.
        experiment: made if absent.
        uri: tracking URI; a sqlite path is resolved against the working folder.
        key: identity of the run across restarts (default: name).
        tags: set on the run.
        spool: folder in which events wait for the service; default: `default_spool`.
        retry_s: seconds without a new attempt after a failed one.
        patience_s: seconds that `flush` and `finish` may wait in all for a slow service.
    """

    def __init__(
        self,
        name: str,
        *,
        experiment: str,
        uri: str = DEFAULT_URI,
        key: str | None = None,
        tags: Mapping[str, str] | None = None,
        spool: str | Path | None = None,
        retry_s: float = 20.0,
        patience_s: float = PATIENCE_S,
        parent: "MlflowTracker | None" = None,
    ) -> None:
        self.uri = absolute_uri(uri)
        self.spool_folder = Path(spool) if spool else default_spool(self.uri)
        self._is_child = parent is not None
        self._courier = (
            parent._courier
            if parent
            else _courier(self.uri, self.spool_folder, retry_s=retry_s, patience_s=patience_s)
        )
        self._run: dict[str, Any] = {
            "experiment": experiment,
            "name": name,
            "key": key or name,
            "tags": {shown(str(k)): shown(str(v)) for k, v in (tags or {}).items()},
            "parent": parent._run if parent else None,
            "time": _now_ms(),
        }
        self._spool = Spool(self.spool_folder, f"{experiment}:{self._run['key']}")
        self._finished = False
        self._record("start", tags=self._run["tags"])

    @property
    def run_id(self) -> str | None:
        return self._courier.store.known_run(self._run["experiment"], self._run["key"])

    def child(
        self, name: str, *, key: str | None = None, tags: dict[str, str] | None = None
    ) -> "MlflowTracker":
        return MlflowTracker(
            name,
            experiment=self._run["experiment"],
            uri=self.uri,
            key=key or f"{self._run['key']}/{name}",
            tags=tags,
            spool=self.spool_folder,
            parent=self,
        )

    def log_metrics(self, metrics: dict[str, float], *, step: int = 0) -> None:
        values = {}
        for key, value in metrics.items():
            try:
                if value is not None:
                    values[shown(str(key))] = float(value)
            except (TypeError, ValueError, OverflowError) as error:
                logger.warning("metric %s of run %s is dropped: %s", key, self._run["key"], error)
        self._record("metrics", metrics=values, step=int(step))

    def log_image(self, key: str, pixels: np.ndarray, *, step: int = 0) -> None:
        if pixels.dtype != np.uint8 or pixels.ndim != 3:
            raise InvalidArgumentError(
                "pixels", expected="uint8 [H, W, 3]", actual=f"{pixels.dtype} {list(pixels.shape)}"
            )
        self._record("image", key=shown(str(key)), png=pack_bytes(encode(pixels)), step=int(step))

    def log_params(self, params: dict[str, Any]) -> None:
        self._record(
            "params", params={shown(str(k)): shown(str(v))[:500] for k, v in params.items()}
        )

    def log_artifact(self, path: str | Path, folder: str | None = None) -> None:
        copy = self.spool_folder / "files" / uuid.uuid4().hex / Path(path).name
        try:  # the file may be gone when its turn comes
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
        except OSError as error:
            logger.warning("artifact %s is not kept: %s", path, error)
            return
        self._record("artifact", path=str(copy), folder=folder)

    def log_text(self, name: str, text: str) -> None:
        self._record("text", name=shown(name), text=shown(text))

    def set_tags(self, tags: dict[str, str]) -> None:
        self._record("tags", tags={shown(str(k)): shown(str(v)) for k, v in tags.items()})

    def flush(self) -> Backlog:
        if not self._spool.empty:
            self._courier.settle([self._spool])
        return _backlog(self._courier, [self._spool])

    def finish(self, status: RunStatus | str = RunStatus.FINISHED) -> None:
        if self._finished:
            return
        self._finished = True
        self._record("finish", status=RunStatus(status).value)
        if status == RunStatus.KILLED:  # people wait for the end; what is left, the rerun sends
            self._courier.settle([self._spool], most_s=_STOPPED_S)
        else:
            self.flush()
        if not self._is_child:
            self._courier.close()

    def _record(self, kind: str, **fields: Any) -> None:
        """Let an event be sent. Order within a run is preserved."""
        event: Event = {"kind": kind, "run": self._run, "time": _now_ms(), **fields}
        self._spool.append(event)
        self._courier.notify(self._spool)


def waiting_spools(folder: str | Path) -> list[Path]:
    """Return the files of a spool folder in which events wait."""
    try:
        return sorted(path for path in Path(folder).iterdir() if path.suffix == ".jsonl")
    except OSError:
        return []


def replay_spool(
    uri: str | None = DEFAULT_URI,
    spool: str | Path | None = None,
    *,
    patience_s: float = PATIENCE_S,
) -> Backlog:
    """Send everything that waits, of all runs.

    Args:
        uri: tracking URI of the service that was away; None, "" and "none" have nothing waiting.
        spool: the folder; default as in `MlflowTracker`.
        patience_s: seconds that it may take in all once the service is opened.

    Returns:
        What still waits, and why.
    """
    if not uri or uri == "none":
        return Backlog()
    uri = absolute_uri(uri)
    folder = Path(spool) if spool else default_spool(uri)
    spools = [Spool.at(path) for path in waiting_spools(folder)]
    if not spools:
        return Backlog()
    courier = _courier(uri, folder, patience_s=patience_s)
    courier.settle(spools)
    courier.close()
    return _backlog(courier, spools)


def close_tracking(tracker: Tracker, uri: str | None, spool: str | Path | None = None) -> Backlog:
    """Finish a job's run, and send what its workers left in the spool.

    Args:
        tracker: of the whole job.
        uri: its tracking URI.
        spool: the folder that its workers were told.

    Returns:
        What still waits, and why: a line for the end of the job.
    """
    tracker.finish()
    problem = tracker.flush().problem
    rest = replay_spool(uri, spool, patience_s=0.0 if problem else PATIENCE_S)
    return replace(rest, problem=problem or rest.problem) if rest else rest


def default_spool(uri: str) -> Path:
    """Return the folder of spools: beside a sqlite database, else under `$ITPORTRAIT_RUNS` (or
    `runs`; for a submitted job, whose working folder goes with it, under the cache folder). Workers
    are told the driver's."""
    path = database_path(uri)
    if path is not None:
        return path.parent / "mlflow_spool"
    runs = Path(os.environ.get("ITPORTRAIT_RUNS") or "runs").absolute()
    return (cache_folder() if uris.is_temporary_copy(str(runs)) else runs) / "mlflow_spool"


def _courier(
    uri: str, folder: Path, *, retry_s: float = 20.0, patience_s: float = PATIENCE_S
) -> Courier:
    store = MlflowStore(uri, lock=folder / "runs.lock")
    return Courier(store, retry_s=retry_s, patience_s=patience_s)


def _backlog(courier: Courier, spools: list[Spool]) -> Backlog:
    return Backlog(
        waiting=sum(map(len, spools)),
        lost=sum(spool.lost for spool in spools),
        problem=courier.problem if any(map(len, spools)) else "",
        folder=str(spools[0].path.parent),
        uri=uris.redact(courier.store.uri),
    )


def _now_ms() -> int:
    return int(time.time() * 1000)
