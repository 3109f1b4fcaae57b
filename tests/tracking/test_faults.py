"""What is refused is dropped and blocks nothing; what is an outage is not taken for a refusal."""

import sqlite3

import numpy as np
import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.protos import databricks_pb2 as codes

from itportrait.tracking import MlflowTracker
from itportrait.tracking.faults import RefusedError, is_refusal, refusals, shorten

PICTURE = np.full((8, 8, 3), 128, np.uint8)
SURROGATE = "name\udcff"


def log_everything_bad(run: MlflowTracker) -> None:
    """Log what MLflow's client or store refuses, each with something good beside it."""
    run.log_metrics({"bad\x00key": 1.0, "with/bad": 1.0}, step=1)
    run.log_metrics({"": 1.0, "with/empty": 1.0}, step=1)
    run.log_metrics({"x" * 300: 1.0, "with/long": 1.0}, step=1)
    run.log_metrics({SURROGATE: 1.0, "with/surrogate": 1.0}, step=1)
    run.log_metrics({"no number": "text", "with/text": 1.0}, step=1)  # pyright: ignore[reportArgumentType]
    run.log_metrics({"huge/step": 1.0}, step=2**70)
    run.log_metrics({"nan": float("nan"), "inf": float("inf"), "with/nan": 1.0}, step=1)
    run.log_metrics({f"many/{i}": float(i) for i in range(1200)}, step=1)
    run.log_params({"bad\x00key": "x", "param": "good"})
    run.log_params({"long": "x" * 100_000, "x" * 300: "y", SURROGATE: SURROGATE})
    run.log_params({f"many {i}": i for i in range(250)})
    run.log_params({"param": "another value"})
    run.set_tags({"bad\x00key": "x", "x" * 300: "y", "tag": "good"})
    run.set_tags({"long tag": "x" * 100_000})
    run.log_text("../outside.txt", "text")
    run.log_text("/outside.txt", "text")
    run.log_text("", "text")
    run.log_image("../../outside", PICTURE, step=1)
    run.log_image("x" * 500, PICTURE, step=1)
    run.log_metrics({"last": 1.0}, step=3)


def test_refusals_block_nothing(mlflow_uri, tmp_path, caplog):
    from mlflow import MlflowClient

    run = MlflowTracker("run", experiment="bank", uri=mlflow_uri)
    log_everything_bad(run)
    run.finish()
    assert not run.flush(), run.flush()
    assert "refused" in caplog.text
    assert "is away" not in caplog.text
    found = MlflowClient(mlflow_uri).get_run(str(run.run_id))
    good = {f"with/{name}" for name in ("bad", "empty", "long", "surrogate", "text", "nan")}
    good |= {f"many/{i}" for i in range(1200)} | {"last"}
    assert good <= set(found.data.metrics)
    assert found.data.params["param"] == "good"
    assert found.data.params["many 249"] == "249"
    assert found.data.tags["tag"] == "good"
    assert found.info.status == "FINISHED"
    outside = [item for item in tmp_path.rglob("outside*") if item.is_file()]
    assert all("artifacts" in item.parts for item in outside)


def test_damaged_events_of_a_spool_block_nothing(mlflow_uri, caplog):
    run = MlflowTracker("run", experiment="bank", uri=mlflow_uri)
    assert not run.flush()
    sound = {"kind": "image", "run": run._run, "time": 1, "key": "a", "step": 1}
    for event in (
        {},
        {"kind": "metrics"},
        {"kind": "metrics", "run": None},
        {"kind": "metrics", "run": {"key": "x"}},
        {"kind": "__init__", "run": run._run},
        {"kind": ["metrics"], "run": run._run},
        {"kind": "metrics", "run": run._run},
        {"kind": "metrics", "run": run._run, "metrics": 7, "step": 1, "time": 1},
        {"kind": "metrics", "run": run._run, "metrics": {"a": "b"}, "step": "c", "time": 1},
        {"kind": "finish", "run": run._run, "status": "DREAMING", "time": 1},
        {"kind": "artifact", "run": run._run, "path": "/nowhere", "folder": None},
        {"kind": "text", "run": run._run, "name": 7, "text": None},
        {**sound, "png": "no base64 ä"},
        {**sound, "png": "bm8gcGljdHVyZQ=="},
        {**sound, "png": None},
    ):
        run._spool.append(event)
    run.log_metrics({"last": 1.0}, step=1)
    run.finish()
    assert not run.flush(), run.flush()
    assert "is away" not in caplog.text
    assert caplog.text.count("refused") >= 14


def test_an_experiment_that_was_deleted_costs_no_event(mlflow_uri):
    from mlflow import MlflowClient

    client = MlflowClient(mlflow_uri)
    client.delete_experiment(client.create_experiment("bank"))
    run = MlflowTracker("run", experiment="bank", uri=mlflow_uri)
    run.log_metrics({"identity": 1.0}, step=1)
    run.finish()
    backlog = run.flush()
    assert backlog.waiting == 3
    assert "run 'run' cannot be opened" in backlog.problem
    assert "restore it" in backlog.problem


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise error from cause
    except Exception as seen:
        return seen


def wrapped(error: sqlite3.Error, kind: str) -> Exception:
    import sqlalchemy.exc

    return getattr(sqlalchemy.exc, kind)("SELECT 1", {}, error)


BAD_REQUEST = codes.BAD_REQUEST  # pyright: ignore[reportAttributeAccessIssue]
INVALID = codes.INVALID_PARAMETER_VALUE  # pyright: ignore[reportAttributeAccessIssue]
UNAVAILABLE = codes.TEMPORARILY_UNAVAILABLE  # pyright: ignore[reportAttributeAccessIssue]
DENIED = codes.PERMISSION_DENIED  # pyright: ignore[reportAttributeAccessIssue]
NO_ENDPOINT = codes.ENDPOINT_NOT_FOUND  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (MlflowException("a key", INVALID), True),
        (MlflowException("who are you", DENIED), False),
        (MlflowException("this is no MLflow", NO_ENDPOINT), False),
        (MlflowException("something failed"), False),
        (raised(MlflowException("too large"), OverflowError("int too large")), True),
        (raised(MlflowException("no text"), UnicodeEncodeError("utf-8", "x", 0, 1, "")), True),
        (
            raised(
                MlflowException("locked", UNAVAILABLE),
                wrapped(sqlite3.OperationalError("database is locked"), "OperationalError"),
            ),
            False,
        ),
        (
            raised(
                MlflowException("malformed", BAD_REQUEST),
                wrapped(sqlite3.DatabaseError("disk image is malformed"), "DatabaseError"),
            ),
            False,
        ),
        (
            raised(
                MlflowException("twice", BAD_REQUEST),
                wrapped(sqlite3.IntegrityError("UNIQUE constraint failed"), "IntegrityError"),
            ),
            True,
        ),
        (ValueError("a bad value"), True),
        (TypeError("a bad type"), True),
        (Exception("no such status"), True),
        (RuntimeError("a connection pool is closed"), False),
        (requests.exceptions.InvalidURL("an address"), False),
        (requests.exceptions.ReadTimeout("silence"), False),
        (ConnectionRefusedError(111, "Connection refused"), False),
        (OSError(36, "File name too long"), True),
        (OSError(28, "No space left on device"), False),
        (MemoryError(), False),
    ],
)
def test_refusals_are_told_from_outages(error, refusal):
    assert is_refusal(error) is refusal
    with pytest.raises(RefusedError if refusal else type(error)), refusals():
        raise error


def test_the_reason_is_one_line_without_credentials():
    inner = ConnectionRefusedError(111, "Connection refused")
    outer = raised(MlflowException("API request failed\nwith a trace"), inner)
    assert shorten(outer) == "[Errno 111] Connection refused"
    assert shorten(ValueError("first\nsecond")) == "first"
    assert "secret" not in shorten(ValueError("at http://me:secret@host/path"))
    assert shorten(KeyError()) == "KeyError"
