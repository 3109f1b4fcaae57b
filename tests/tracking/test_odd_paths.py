"""Runs folders of any name: MLflow works there, or says quickly why not, and nothing is lost."""

import os
import shutil
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from itportrait.tracking import MlflowTracker, default_spool

PICTURE = np.full((8, 8, 3), 128, np.uint8)
NAMES = [
    "per%cent",
    "per%20cent",
    "%2e%2e",
    "what?",
    "what?a=b",
    "ha#sh",
    "sp ace",
    "quo'te",
    'double"quote',
    "[1]",
    "star*",
    "äöü漢字",
    "back\\slash",
    "a::b",
    "semi;colon",
    "am&persand=1",
    "new\nline",
    "tab\t",
    "~tilde",
    "$HOME",
    "{runs}",
    "...",
    "col:on",
    "a@b",
    "!",
    "(x)",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_run_in_a_folder_of_any_name(name, tmp_path, mlflow_database, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / name
    place.mkdir()
    shutil.copy(mlflow_database, place / "mlflow.db")
    uri = f"sqlite:///{place}/mlflow.db"
    run = MlflowTracker("run", experiment="bank", uri=uri)
    run.log_metrics({"identity": 0.5}, step=1)
    run.log_image("probe/face_000", PICTURE, step=1)
    run.log_text("spec.json", "{}")
    run.finish()
    assert not run.flush()
    with sqlite3.connect(place / "mlflow.db") as database:
        rows = database.execute("SELECT status FROM runs WHERE run_uuid = ?", (run.run_id,))
        assert rows.fetchall() == [("FINISHED",)]
        assert database.execute("SELECT key, value FROM metrics").fetchall() == [("identity", 0.5)]
    artifacts = place / "mlartifacts" / "bank" / str(run.run_id) / "artifacts"
    assert (artifacts / "spec.json").read_text() == "{}"
    assert len(list((artifacts / "images").glob("*.png"))) == 1
    assert [item.name for item in tmp_path.iterdir()] == [name]  # and nothing beside it
    assert default_spool(uri) == place / "mlflow_spool"


def test_a_folder_that_is_not_utf8_is_said_at_once(tmp_path):
    place = Path(os.fsdecode(os.fsencode(tmp_path) + b"/runs\xff"))
    place.mkdir()
    run = MlflowTracker("run", experiment="bank", uri=f"sqlite:///{place}/mlflow.db")
    run.log_metrics({"identity": 0.5}, step=1)
    started = time.monotonic()
    run.finish()
    assert time.monotonic() - started < 20
    backlog = run.flush()
    assert backlog.waiting == 3
    assert "not UTF-8; choose another runs folder" in backlog.problem
    assert sorted(os.listdir(os.fsencode(place))) == [b"mlflow_spool"]
    str(backlog).encode()
