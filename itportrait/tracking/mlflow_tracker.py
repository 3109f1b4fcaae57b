"""Runs in MLflow that never stop the work: what the server cannot take waits in a local spool."""

import logging
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from itportrait.errors import InvalidArgumentError
from itportrait.image import encode
from itportrait.tracking.base import RunStatus, Tracker
from itportrait.tracking.mlflow_store import MlflowStore, RefusedError, absolute_uri
from itportrait.tracking.spool import Event, Spool, pack_bytes

logger = logging.getLogger(__name__)

DEFAULT_URI = "sqlite:///runs/mlflow.db"


class MlflowTracker(Tracker):
    """One MLflow run, found again by `key` within its experiment, or made.

    Args:
        name: shown in the UI.
        experiment: made if absent.
        uri: tracking URI; a sqlite path is resolved against the working folder.
        key: identity of the run across restarts (default: name).
        tags: set on the run.
        spool: folder for events that the service could not take; default: `default_spool`.
        retry_s: seconds without a new attempt after a failed one.
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
        parent: "MlflowTracker | None" = None,
    ) -> None:
        self.uri = absolute_uri(uri)
        self.spool_folder = Path(spool) if spool else default_spool(self.uri)
        self.retry_s = retry_s
        self._store = parent._store if parent else MlflowStore(self.uri)
        self._run: dict[str, Any] = {
            "experiment": experiment,
            "name": name,
            "key": key or name,
            "tags": {str(k): str(v) for k, v in (tags or {}).items()},
            "parent": parent._run if parent else None,
            "time": _now_ms(),
        }
        self._spool = Spool(self.spool_folder, f"{experiment}:{self._run['key']}")
        self._away_until = 0.0
        self._warned = False
        self._finished = False
        self._record("start", tags=self._run["tags"])

    @property
    def run_id(self) -> str | None:
        return self._store._runs.get((self._run["experiment"], self._run["key"]))

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
            retry_s=self.retry_s,
            parent=self,
        )

    def log_metrics(self, metrics: dict[str, float], *, step: int = 0) -> None:
        values = {str(key): float(value) for key, value in metrics.items() if value is not None}
        self._record("metrics", metrics=values, step=int(step))

    def log_image(self, key: str, pixels: np.ndarray, *, step: int = 0) -> None:
        if pixels.dtype != np.uint8 or pixels.ndim != 3:
            raise InvalidArgumentError(
                "pixels", expected="uint8 [H, W, 3]", actual=f"{pixels.dtype} {list(pixels.shape)}"
            )
        self._record("image", key=key, png=pack_bytes(encode(pixels)), step=int(step))

    def log_params(self, params: dict[str, Any]) -> None:
        self._record("params", params={str(k): str(v)[:500] for k, v in params.items()})

    def log_artifact(self, path: str | Path, folder: str | None = None) -> None:
        self._record("artifact", path=str(Path(path).resolve()), folder=folder)

    def log_text(self, name: str, text: str) -> None:
        self._record("text", name=name, text=text)

    def set_tags(self, tags: dict[str, str]) -> None:
        self._record("tags", tags={str(k): str(v) for k, v in tags.items()})

    def finish(self, status: RunStatus | str = RunStatus.FINISHED) -> None:
        if self._finished:
            return
        self._away_until = 0.0  # a last attempt, whenever the one before was
        self._record("finish", status=RunStatus(status).value)
        self._finished = True
        if len(self._spool):
            logger.warning(
                "%d tracking events wait in %s; they are sent when the run is opened again, or by "
                "itportrait.tracking.replay_spool",
                len(self._spool),
                self._spool.path,
            )

    def _record(self, kind: str, **fields: Any) -> None:
        """Send an event, those that wait first; or keep it. Order within a run is preserved."""
        event: Event = {"kind": kind, "run": self._run, "time": _now_ms(), **fields}
        if time.monotonic() < self._away_until:
            self._keep(event)
            return
        try:
            self._spool.drain(self._send)
            self._send(event)
            self._warned = False
        except Exception as error:
            self._away_until = time.monotonic() + self.retry_s
            self._keep(event)
            if not self._warned:
                logger.warning("MLflow at %s is away, points are spooled: %s", self.uri, error)
                self._warned = True

    def _send(self, event: Event) -> None:
        try:
            self._store.send(event)
        except RefusedError as error:
            logger.warning(
                "MLflow refused %s of run %s: %s", event["kind"], self._run["key"], error
            )

    def _keep(self, event: Event) -> None:
        if event["kind"] == "artifact":  # the file may be gone by then
            try:
                copy = self.spool_folder / "files" / uuid.uuid4().hex / Path(event["path"]).name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(event["path"], copy)
                event["path"] = str(copy)
            except OSError as error:
                logger.warning("artifact %s is not kept: %s", event["path"], error)
                return
        self._spool.append(event)


def replay_spool(uri: str | None = DEFAULT_URI, spool: str | Path | None = None) -> int:
    """Send everything that waits, of all runs.

    Args:
        uri: tracking URI of the service that was away; None, "" and "none" have nothing waiting.
        spool: the folder; default as in `MlflowTracker`.

    Returns:
        How many events still wait (0: all were sent).
    """
    if not uri or uri == "none":
        return 0
    store = MlflowStore(absolute_uri(uri))
    folder = Path(spool) if spool else default_spool(store.uri)

    def send(event: Event) -> None:
        try:
            store.send(event)
        except RefusedError as error:
            logger.warning(
                "MLflow refused %s of run %s: %s", event["kind"], event["run"]["key"], error
            )

    waiting = 0
    for path in sorted(folder.glob("*.jsonl")):
        queue = Spool(folder, "")
        queue.path = path
        try:
            queue.drain(send)
        except Exception as error:
            logger.warning("MLflow at %s is still away: %s", store.uri, error)
            waiting += len(queue)
    return waiting


def default_spool(uri: str) -> Path:
    """Return the folder of spools: beside a sqlite database, else under `$ITPORTRAIT_RUNS` (or
    `runs`). Workers are told the driver's, for theirs may be a folder that goes with the job."""
    if uri.startswith("sqlite:///"):
        return Path(absolute_uri(uri).removeprefix("sqlite:///")).parent / "mlflow_spool"
    return Path(os.environ.get("ITPORTRAIT_RUNS") or "runs").resolve() / "mlflow_spool"


def _now_ms() -> int:
    return int(time.time() * 1000)
