"""The comparison itself, in processes of its own: command line, lease, Ray, kill -9 and resume."""

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from itportrait.io.lease import Lease
from tests.helpers.build_job import ROOT, WorkflowJob
from tests.helpers.small_comparison import small_comparison
from tests.helpers.terminals import run_watched
from tests.helpers.tiny_folder import write_tiny_bundle


@pytest.fixture
def place(tmp_path):
    """Return a folder with a model bundle and a configuration."""
    write_tiny_bundle(tmp_path / "model")
    data = small_comparison(tmp_path / "model", tmp_path / "out")
    data["methods"] = {"itportrait": {}, "words": {"method": "itportrait", "mode": "text"}}
    (tmp_path / "compare.yaml").write_text(yaml.safe_dump(data))
    return tmp_path


def start(place: Path, *options: str) -> WorkflowJob:
    return WorkflowJob(
        place, "compare_methods.py", "--config", str(place / "compare.yaml"), *options
    )


def test_wrong_settings_and_a_held_output_end_it_before_anything_starts(tmp_path, capsys):
    from workflows.compare_methods import main

    config = tmp_path / "compare.yaml"
    config.write_text(yaml.safe_dump(small_comparison(tmp_path / "model", tmp_path / "out")))
    assert main(["--config", str(config), "--set", "methods={jojogam: {}}"]) == 2
    assert "jojogan" in capsys.readouterr().err
    assert main(["--config", str(config), "--mlflow", "runs/mlflow"]) == 2
    assert main(["--config", str(config), "--mlflow", "none"]) == 2
    assert "no model bundle at" in capsys.readouterr().err
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("{}")
    absent = ["--set", f"portraits={tmp_path}/photos"]
    assert main(["--config", str(config), "--mlflow", "none", *absent]) == 2
    assert "no input found" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with Lease(str(tmp_path / "out"), what="another comparison"):
        assert main(["--config", str(config), "--mlflow", "none"]) == 75
    assert "is in use by another comparison" in capsys.readouterr().err


@pytest.mark.slow
def test_a_comparison_that_is_killed_goes_on_where_it_was(place):
    cells = place / "out" / "cells"
    first = start(place, "--mlflow", "none", "--set", "train.max_concurrent=1")
    first.wait_for(lambda: list(cells.rglob("cell.json")))
    first.kill()
    done = {path: path.stat().st_mtime_ns for path in cells.rglob("cell.json")}

    uri = f"sqlite:///{place}/runs/mlflow.db"
    command = [sys.executable, str(ROOT / "workflows" / "compare_methods.py"), "--mlflow", uri]
    env = {"ITPORTRAIT_RUNS": str(place / "runs"), "PYTHONPATH": str(ROOT)}
    options = ["--config", str(place / "compare.yaml")]
    again = run_watched([*command, *options], env=env, cwd=place)
    assert again.returncode == 1, again.stdout + again.stderr  # a cell that cannot be made
    assert "words, bronze, seed 0: cannot be made" in again.stdout
    assert f"{len(done)} of 4 cells are kept from an earlier run" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in done} == done
    table = pq.read_table(place / "out" / "portraits" / "part-00000.parquet").to_pylist()
    assert {(row["label"], row["domain"]) for row in table} == {
        ("itportrait", "zombie"),
        ("itportrait", "bronze"),
        ("words", "zombie"),
    }
    assert "<title>" in (place / "out" / "index.html").read_text()
    assert json.loads((place / "out" / "run.json").read_text())["tracking"]["waiting"] == 0

    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("comparison")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert parent.info.status == "FAILED"
    names = {item.path for item in client.list_artifacts(parent.info.run_id)}
    assert {"scores", "portraits", "index.html"} <= names
    children = {run.info.run_name: run for run in runs if run is not parent}
    assert set(children) == {
        f"{label} {domain}" for label in ("itportrait", "words") for domain in ("zombie", "bronze")
    }
    zombie = children["itportrait zombie"].data
    assert zombie.tags["mode"] == "text"
    assert zombie.metrics["final/truth_distance"] > 0
    assert (
        zombie.metrics["final/identity"] == children["words zombie"].data.metrics["final/identity"]
    )
