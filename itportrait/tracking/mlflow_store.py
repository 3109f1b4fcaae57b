"""Talk to MLflow: one function an event, each of them idempotent enough to be sent again."""

import contextlib
import io
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from PIL import Image

from itportrait.errors import InvalidArgumentError
from itportrait.tracking.spool import Event, unpack_bytes

logger = logging.getLogger(__name__)

KEY_TAG = "itportrait.key"
PARENT_TAG = "mlflow.parentRunId"
_AWAY = {
    "TEMPORARILY_UNAVAILABLE",
    "INTERNAL_ERROR",
    "REQUEST_LIMIT_EXCEEDED",
    "DEADLINE_EXCEEDED",
    "UNAVAILABLE",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
}


class RefusedError(Exception):
    """The service is there and will never take this event: it is dropped, and the log says so."""


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Tell a refusal from an absence: what MLflow answers becomes `RefusedError`.

    Raises:
        RefusedError: the service answered that the request is wrong.
        Exception: anything else means that the service is away.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code in _AWAY:
            raise
        raise RefusedError(str(error)) from error


def absolute_uri(uri: str) -> str:
    """Resolve the path of a sqlite URI against the working folder, and make its folder.

    Ray workers run in other folders; `sqlite:///runs/mlflow.db` must mean one file for all.
    """
    match = re.fullmatch(r"sqlite:///(?!/)(.+)", uri)
    path = Path(match.group(1)).resolve() if match else None
    if uri.startswith("sqlite:////"):
        path = Path("/" + uri.removeprefix("sqlite:////"))
    if path is None:
        return uri
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{path}"


def check_driver(uri: str) -> None:
    """Refuse a database that cannot be reached from here: that is no outage, it will not pass.

    Raises:
        InvalidArgumentError: its driver is not installed; names it.
    """
    scheme = uri.partition("://")[0]
    if scheme.partition("+")[0] not in ("postgresql", "mysql", "mssql"):
        return
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        make_url(uri).get_dialect().import_dbapi()
    except (ImportError, NoSuchModuleError, ArgumentError) as error:
        raise InvalidArgumentError(
            "tracking URI",
            expected="a database whose driver is installed",
            actual=f"{scheme}:// ({error})",
            remedy="put an MLflow server in front of it and give its http:// address, "
            "or install the driver",
        ) from None


class MlflowStore:
    """The connection, opened on first use; experiments and runs are found by name and key.

    Args:
        uri: an MLflow tracking URI, from `absolute_uri`.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._client: Any = None
        self._runs: dict[tuple[str, str], str] = {}
        self._seen_images: dict[str, set[tuple[str, int]]] = {}
        self._seen_steps: dict[tuple[str, str], set[int]] = {}
        self._resumed: set[str] = set()

    @property
    def client(self) -> Any:
        """The `MlflowClient`, with short time-outs: bookkeeping must not stall a training step."""
        if self._client is None:
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
            from mlflow import MlflowClient

            self._client = MlflowClient(tracking_uri=self.uri)
        return self._client

    def send(self, event: Event) -> None:
        """Carry out one event.

        Raises:
            RefusedError: the service answered that the event is wrong.
            Exception: anything else means that the service is away; send it again later.
        """
        with refusals():
            run_id = self.run_id(event["run"])
            getattr(self, f"_send_{event['kind']}")(run_id, event)

    def run_id(self, run: dict[str, Any]) -> str:
        """Find the run by its experiment and key, or make it.

        Args:
            run: `experiment`, `name`, `key`, `tags`, and `parent` (such a dict) or None.
        """
        name = (run["experiment"], run["key"])
        if name in self._runs:
            return self._runs[name]
        experiment = self.experiment_id(run["experiment"])
        found = self.find_run(experiment, run["key"])
        if found:
            run_id = found.info.run_id
            self._resumed.add(run_id)
            self.client.update_run(run_id, status="RUNNING")
            if run["parent"] and PARENT_TAG not in found.data.tags:  # made for its model alone
                self.client.set_tag(run_id, PARENT_TAG, self.run_id(run["parent"]))
        else:
            tags = {**run["tags"], KEY_TAG: run["key"]}
            if run["parent"]:
                tags[PARENT_TAG] = self.run_id(run["parent"])
            made = self.client.create_run(
                experiment, start_time=run["time"], tags=tags, run_name=run["name"]
            )
            run_id = made.info.run_id
        self._runs[name] = run_id
        return run_id

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
            return found.experiment_id
        location = None
        if self.uri.startswith("sqlite:"):  # else artifacts would land in the working folder
            database = Path(self.uri.removeprefix("sqlite:///"))
            location = (database.parent / "mlartifacts" / name).as_uri()
        return self.client.create_experiment(name, artifact_location=location)

    def _send_start(self, run_id: str, event: Event) -> None:
        self._send_tags(run_id, event)

    def _send_metrics(self, run_id: str, event: Event) -> None:
        from mlflow.entities import Metric

        step = event["step"]
        points = [
            Metric(key, value, event["time"], step)
            for key, value in event["metrics"].items()
            if step not in self._known_steps(run_id, key)
        ]
        if points:
            self.client.log_batch(run_id, metrics=points, synchronous=True)
            for point in points:
                self._known_steps(run_id, point.key).add(step)

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
        picture = Image.open(io.BytesIO(unpack_bytes(event["png"])))
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
        self.client.log_batch(run_id, params=params, synchronous=True)

    def _send_artifact(self, run_id: str, event: Event) -> None:
        if not Path(event["path"]).exists():
            raise RefusedError(f"the file {event['path']} is gone")
        self.client.log_artifact(run_id, event["path"], event["folder"])

    def _send_text(self, run_id: str, event: Event) -> None:
        self.client.log_text(run_id, event["text"], event["name"])

    def _send_tags(self, run_id: str, event: Event) -> None:
        from mlflow.entities import RunTag

        tags = [RunTag(key, value) for key, value in event["tags"].items()]
        self.client.log_batch(run_id, tags=tags, synchronous=True)

    def _send_finish(self, run_id: str, event: Event) -> None:
        self.client.set_terminated(run_id, event["status"], end_time=event["time"])


def _image_name(path: str) -> tuple[str, int] | None:
    """Read key and step from the file name that `MlflowClient.log_image` chose."""
    match = re.match(r"images/(.+?)[+%]step[+%](\d+)[+%]timestamp", unquote(path))
    if not match:
        return None
    return match.group(1).replace("~", "/").replace("#", "/"), int(match.group(2))
