"""Talk to MLflow: one function for each kind of event, each safe to be sent again."""

import contextlib
import io
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from PIL import Image

from itportrait.tracking.database import (
    database_path,
    engine_uri,
    file_lock,
    lock_path,
    prepare,
    silence_mlflow,
)
from itportrait.tracking.faults import BrokenStoreError, RefusedError, refusals, shorten
from itportrait.tracking.notes import EXPERIMENT_NOTE, NOTE_TAG
from itportrait.tracking.spool import Event, unpack_bytes

KEY_TAG = "itportrait.key"
PARENT_TAG = "mlflow.parentRunId"
_LIMITS = {
    # The spool repeats what failed; a retry of MLflow's own may wait as long as a server likes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "30",
}
_BATCH = 100
_LOCK_S = 60.0
_COPY = re.compile(r"/files/[0-9a-f]{32}$")
_KINDS = ("start", "metrics", "image", "params", "artifact", "text", "tags", "finish")

Item = TypeVar("Item")


class MlflowStore:
    """The connection, opened on first use; experiments and runs are found by name and key.

    Args:
        uri: an MLflow tracking URI, from `absolute_uri`.
        lock: file that keeps processes of this machine from making the same run twice; default:
            beside a sqlite database, none for others.
    """

    def __init__(self, uri: str, *, lock: Path | None = None) -> None:
        self.uri = uri
        self._path = database_path(uri)
        self._lock = lock_path(self._path) if self._path else lock
        self._client: Any = None
        self._runs: dict[tuple[str, str], str] = {}
        self._seen_images: dict[str, set[tuple[str, int]]] = {}
        self._seen_steps: dict[tuple[str, str], set[int]] = {}
        self._resumed: set[str] = set()

    @property
    def client(self) -> Any:
        """The `MlflowClient`; its database is made or migrated on first use."""
        self.open()
        return self._client

    def open(self) -> None:
        """Import MLflow, and make or migrate a sqlite database, unless that was done.

        Raises:
            BrokenStoreError: the database cannot be used; says why, and what to do.
            Exception: anything else means that the service is away.
        """
        if self._client is not None:
            return
        for name, value in _LIMITS.items():
            os.environ.setdefault(name, value)
        if self._path is not None:
            prepare(self._path)
        from mlflow import MlflowClient

        silence_mlflow()
        if self._path is None:
            import mlflow.store.tracking.rest_store  # noqa: F401  (takes seconds, as the rest here)

            self._client = MlflowClient(tracking_uri=self.uri)
            return
        client = MlflowClient(tracking_uri=engine_uri(self._path))
        client.search_experiments(max_results=1)
        self._client = client

    def answers(self) -> bool:
        """Tell whether the service answers a plain question."""
        try:
            self.client.search_experiments(max_results=1)
        except Exception:
            return False
        return True

    def send(self, event: Event) -> None:
        """Carry out one event.

        Raises:
            RefusedError: the client or the service says that the event is wrong.
            BrokenStoreError: the event's run cannot be opened; says why, and what to do.
            Exception: anything else means that the service is away; send it again later.
        """
        _check(event)
        try:
            with refusals():
                run_id = self.run_id(event["run"])
        except RefusedError as error:  # that is no fault of the event
            raise BrokenStoreError(
                f"run {event['run']['key']!r} cannot be opened ({shorten(error)})",
                "look at its experiment in MLflow, which may be deleted: "
                "restore it or choose another name",
            ) from error
        try:
            with refusals():
                getattr(self, f"_send_{event['kind']}")(run_id, event)
        except RefusedError:
            raise
        except Exception:
            self._forget(run_id)
            raise

    def known_run(self, experiment: str, key: str) -> str | None:
        """Return the id of a run that was opened here."""
        return self._runs.get((experiment, key))

    def _forget(self, run_id: str) -> None:
        """Ask the service again what a run has: it may have got what was not answered."""
        self._resumed.add(run_id)
        self._seen_images.pop(run_id, None)
        for name in [name for name in self._seen_steps if name[0] == run_id]:
            del self._seen_steps[name]

    def run_id(self, run: dict[str, Any]) -> str:
        """Find the run by its experiment and key, or make it.

        Args:
            run: `experiment`, `name`, `key`, `tags`, and `parent` (such a dict) or None.
        """
        name = (run["experiment"], run["key"])
        if name in self._runs:
            return self._runs[name]
        parent = self.run_id(run["parent"]) if run["parent"] else None
        with self._sole_maker():
            run_id = self._find_or_make(run, parent)
        self._runs[name] = run_id
        return run_id

    def _find_or_make(self, run: dict[str, Any], parent: str | None) -> str:
        experiment = self.experiment_id(run["experiment"])
        found = self.find_run(experiment, run["key"])
        if found:
            run_id = found.info.run_id
            self._resumed.add(run_id)
            if not _ended_since(found, run["time"]):
                self.client.update_run(run_id, status="RUNNING")
            if parent and PARENT_TAG not in found.data.tags:  # was made for its model
                self.client.set_tag(run_id, PARENT_TAG, parent)
            return run_id
        tags = {**run["tags"], KEY_TAG: run["key"]}
        if parent:
            tags[PARENT_TAG] = parent
        made = self.client.create_run(
            experiment, start_time=run["time"], tags=tags, run_name=run["name"]
        )
        return made.info.run_id

    @contextlib.contextmanager
    def _sole_maker(self) -> Iterator[None]:
        """Let one process at a time look for a run and make it where there is none."""
        with contextlib.ExitStack() as stack:
            if self._lock is not None:
                # A folder that cannot be written is no reason not to track.
                with contextlib.suppress(OSError):
                    self._lock.parent.mkdir(parents=True, exist_ok=True)
                    stack.enter_context(file_lock(self._lock, timeout_s=_LOCK_S))
            yield

    def find_run(self, experiment_id: str, key: str) -> Any | None:
        """Return the run of this key, or None; unlike `run_id`, leave it as it is."""
        escaped = key.replace("'", "\\'")
        found = self.client.search_runs(
            [experiment_id], f"tags.\"{KEY_TAG}\" = '{escaped}'", max_results=1
        )
        return found[0] if found else None

    def experiment_id(self, name: str) -> str:
        """Return the id of an experiment, which is made if absent."""
        found = self.client.get_experiment_by_name(name)
        if found:
            if NOTE_TAG not in found.tags:
                self.client.set_experiment_tag(found.experiment_id, NOTE_TAG, EXPERIMENT_NOTE)
            return found.experiment_id
        location = None
        if self._path is not None:  # without it, artifacts would land in the working folder
            folder = re.sub(r"[^\w -][^\w. -]*", "_", name)
            location = (self._path.parent / "mlartifacts" / folder).as_uri()
        try:
            return self.client.create_experiment(
                name, artifact_location=location, tags={NOTE_TAG: EXPERIMENT_NOTE}
            )
        except Exception:  # another machine may have made it meanwhile
            found = self.client.get_experiment_by_name(name)
            if found is None:
                raise
            return found.experiment_id

    def _send_start(self, run_id: str, event: Event) -> None:
        """Set the tags of a run; a description that people may have edited stays."""
        tags = event["tags"]
        if NOTE_TAG in tags and run_id in self._resumed:
            known = self.client.get_run(run_id).data.tags
            tags = {name: tags[name] for name in tags if name != NOTE_TAG or name not in known}
        self._send_tags(run_id, event | {"tags": tags})

    def _send_metrics(self, run_id: str, event: Event) -> None:
        from mlflow.entities import Metric

        step = event["step"]
        points = [
            Metric(key, value, event["time"], step)
            for key, value in event["metrics"].items()
            if not self._has_point(run_id, key, step)
        ]

        def log(some: Sequence[Metric]) -> None:
            self.client.log_batch(run_id, metrics=some, synchronous=True)
            for point in some:
                self._seen_steps.setdefault((run_id, point.key), set()).add(step)

        _in_batches(points, log)

    def _has_point(self, run_id: str, key: str, step: int) -> bool:
        try:
            with refusals():
                return step in self._known_steps(run_id, key)
        except RefusedError:  # the key is bad, and the service will refuse it
            return False

    def _known_steps(self, run_id: str, key: str) -> set[int]:
        name = (run_id, key)
        if name not in self._seen_steps:
            history = self.client.get_metric_history(run_id, key) if run_id in self._resumed else []
            self._seen_steps[name] = {point.step for point in history}
        return self._seen_steps[name]

    def _send_image(self, run_id: str, event: Event) -> None:
        name = (event["key"], event["step"])
        seen = self._known_images(run_id)
        if name in seen:
            return
        picture = _picture(event)
        self.client.log_image(
            run_id,
            picture,
            key=event["key"],
            step=event["step"],
            timestamp=event["time"],
            synchronous=True,
        )
        seen.add(name)

    def _known_images(self, run_id: str) -> set[tuple[str, int]]:
        if run_id not in self._seen_images:
            files = self.client.list_artifacts(run_id, "images") if run_id in self._resumed else []
            self._seen_images[run_id] = {
                name for name in map(_image_name, (file.path for file in files)) if name
            }
        return self._seen_images[run_id]

    def _send_params(self, run_id: str, event: Event) -> None:
        from mlflow.entities import Param

        known = self.client.get_run(run_id).data.params if run_id in self._resumed else {}
        params = [Param(key, value) for key, value in event["params"].items() if key not in known]
        _in_batches(
            params, lambda some: self.client.log_batch(run_id, params=some, synchronous=True)
        )

    def _send_artifact(self, run_id: str, event: Event) -> None:
        path = Path(event["path"])
        if not path.exists():
            raise RefusedError(f"the file {path} is gone")
        self.client.log_artifact(run_id, str(path), event["folder"])
        if _COPY.search(path.parent.as_posix()):  # a file of the spool
            shutil.rmtree(path.parent, ignore_errors=True)

    def _send_text(self, run_id: str, event: Event) -> None:
        self.client.log_text(run_id, event["text"], event["name"])

    def _send_tags(self, run_id: str, event: Event) -> None:
        from mlflow.entities import RunTag

        tags = [RunTag(key, value) for key, value in event["tags"].items()]
        _in_batches(tags, lambda some: self.client.log_batch(run_id, tags=some, synchronous=True))

    def _send_finish(self, run_id: str, event: Event) -> None:
        self.client.set_terminated(run_id, event["status"], end_time=event["time"])


def _ended_since(found: Any, time_ms: int) -> bool:
    """Return whether a run has ended after it was opened by whom an event comes from.

    What a worker has left in the spool may be sent after the job has ended its run, and is no
    reason to open that again; one that goes on with a run opens it after its end.
    """
    ended = found.info.end_time
    return ended is not None and time_ms < ended


def _check(event: Event) -> None:
    """Refuse what is no event of ours: a spool's file may be damaged."""
    run = event.get("run")
    sound = isinstance(run, dict) and {"experiment", "key", "name", "tags", "parent"} <= run.keys()
    if not sound or event.get("kind") not in _KINDS:
        raise RefusedError("the event is damaged")


def _picture(event: Event) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(unpack_bytes(event["png"])))
        picture.load()
    except OSError as error:
        raise RefusedError(f"the picture is damaged: {error}") from error
    return picture


def _in_batches(items: Sequence[Item], log: Callable[[Sequence[Item]], None]) -> None:
    """Log items together, and where the service refuses some, all others.

    Raises:
        RefusedError: names the first that was refused.
    """
    refused: RefusedError | None = None
    for start in range(0, len(items), _BATCH):
        some = items[start : start + _BATCH]
        try:
            with refusals():
                log(some)
        except RefusedError as error:
            if len(some) == 1:
                refused = refused or error
                continue
            for item in some:
                try:
                    with refusals():
                        log([item])
                except RefusedError as one:
                    refused = refused or one
    if refused:
        raise refused


def _image_name(path: str) -> tuple[str, int] | None:
    """Read key and step from the file name that `MlflowClient.log_image` chose."""
    match = re.match(r"images/(.+?)[+%]step[+%](\d+)[+%]timestamp", unquote(path))
    if not match:
        return None
    return match.group(1).replace("~", "/").replace("#", "/"), int(match.group(2))
