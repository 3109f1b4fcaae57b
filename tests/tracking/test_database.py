"""A sqlite database of MLflow: made once, migrated once, and told apart from a broken one."""

import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itportrait.errors import InvalidArgumentError
from itportrait.tracking import MlflowTracker, check_uri, replay_spool
from itportrait.tracking.database import (
    absolute_uri,
    database_path,
    engine_uri,
    file_lock,
    lock_path,
    prepare,
)
from itportrait.tracking.faults import BrokenStoreError

LOG_ONE = """\
import logging, sys
logging.basicConfig(level=logging.INFO)
from itportrait.tracking import MlflowTracker
run = MlflowTracker(sys.argv[2], experiment="e", uri=sys.argv[1])
run.log_metrics({"ok": 2.0}, step=1)
run.finish()
"""
OLDER = "1bd49d398cd23"
NEWER = "ffffffffffff"


def newest() -> str:
    from mlflow.store.db.utils import _get_latest_schema_revision

    return _get_latest_schema_revision()


def revision(path: Path) -> str:
    with sqlite3.connect(path) as database:
        return database.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def make_older(path: Path) -> None:
    """Make the database of an older MLflow, with one experiment."""
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config, create_sqlalchemy_engine
    from mlflow.store.tracking.dbmodels.initial_models import Base

    engine = create_sqlalchemy_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    config = _get_alembic_config(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, OLDER)
    engine.dispose()
    with sqlite3.connect(path) as database:
        database.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage) "
            "VALUES (7, 'of old', '/nowhere', 'active')"
        )


@given(st.text(st.characters(exclude_characters="\0/", exclude_categories=("Cs",)), min_size=1))
def test_the_path_of_a_uri_is_taken_letter_by_letter(name):
    if name in (".", "..") or "?" in name:  # `?a=b` may be options
        return
    path = Path("/runs") / name / "mlflow.db"
    assert database_path(f"sqlite:///{path}") == path
    assert absolute_uri(f"sqlite:///{path}") == f"sqlite:///{path}"


def test_options_of_a_uri_are_left_to_sqlalchemy():
    assert database_path("sqlite:////runs/mlflow.db?timeout=5&uri=true") is None
    assert database_path("sqlite:////runs/what?/mlflow.db") == Path("/runs/what?/mlflow.db")


@pytest.mark.parametrize("uri", ["runs/mlruns", "file:///runs/mlruns", "mlflow.db"])
def test_what_is_no_tracking_uri_is_refused_before_anything_starts(uri):
    with pytest.raises(InvalidArgumentError, match=r"use sqlite:///runs/mlflow.db or http"):
        check_uri(uri)


def test_an_odd_path_is_opened_by_a_plain_name(tmp_path):
    folder = tmp_path / "100%?"
    folder.mkdir()
    uri = engine_uri(folder / "mlflow.db")
    assert uri.startswith("sqlite:////proc/self/fd/")
    assert engine_uri(folder / "mlflow.db") == uri
    shutil.rmtree(folder)
    folder.mkdir()  # another one, though of the same name
    assert engine_uri(folder / "mlflow.db") != uri
    assert engine_uri(tmp_path / "mlflow.db") == f"sqlite:///{tmp_path}/mlflow.db"


def test_a_lock_is_waited_for_and_freed(tmp_path):
    lock, seen = tmp_path / "lock", []

    def hold():
        with file_lock(lock):
            seen.append("held")
            time.sleep(0.3)
            seen.append("freed")

    thread = threading.Thread(target=hold)
    thread.start()
    while not seen:
        time.sleep(0.01)
    with pytest.raises(TimeoutError), file_lock(lock, timeout_s=0.05):
        pass
    with file_lock(lock):
        assert seen == ["held", "freed"]
    thread.join()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twelve_processes_make_one_database_and_all_are_tracked(tmp_path):
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    command = [sys.executable, "-c", LOG_ONE, uri]
    processes = [
        subprocess.Popen([*command, f"run-{i}"], stderr=subprocess.PIPE, text=True)
        for i in range(12)
    ]
    said = "".join(process.communicate()[1] for process in processes)
    assert said.count("mlflow.db is made") == 1, said
    assert not replay_spool(
        uri, patience_s=60.0
    )  # on a busy machine, some may have left it to the next
    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name("e").experiment_id])
    assert sorted(run.info.run_name for run in runs) == sorted(f"run-{i}" for i in range(12))
    assert all(run.data.metrics == {"ok": 2.0} for run in runs)
    assert revision(tmp_path / "mlflow.db") == newest()
    assert not list(tmp_path.glob(".mlflow*"))


@pytest.mark.slow
def test_who_is_killed_while_it_makes_the_database_leaves_none(tmp_path):
    path = tmp_path / "mlflow.db"
    process = subprocess.Popen([sys.executable, "-c", LOG_ONE, f"sqlite:///{path}", "run"])
    deadline = time.monotonic() + 120
    while not any(item.stat().st_size for item in tmp_path.glob(".mlflow.db.new-*")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not path.exists()
    prepare(path)
    assert revision(path) == newest()
    assert not list(tmp_path.glob(".mlflow*"))


@pytest.mark.slow
def test_an_older_database_is_migrated_and_kept(tmp_path):
    path = tmp_path / "mlflow.db"
    make_older(path)
    with sqlite3.connect(path) as reader:  # whoever has it open goes on with it
        assert reader.execute("SELECT name FROM experiments").fetchall() == [("of old",)]
        prepare(path)
        assert reader.execute("SELECT name FROM experiments WHERE experiment_id = 7").fetchall()
    assert revision(path) == newest()
    assert revision(tmp_path / f"mlflow.db.{OLDER}.bak") == OLDER
    run = MlflowTracker("run", experiment="of old", uri=f"sqlite:///{path}")
    assert not run.flush()


def half_migrated(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE _alembic_tmp_metrics (key TEXT)")
        database.execute("UPDATE alembic_version SET version_num = ?", (OLDER,))


def newer(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", (NEWER,))


def of_another_program(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE songs (title TEXT)")


def no_database(path: Path) -> None:
    path.write_bytes(b"these are not the tables that you are looking for" * 100)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "reason", "remedy"),
    [
        (half_migrated, "half migrated", "move it away"),
        (newer, f"of a newer MLflow (schema {NEWER})", "install that version"),
        (of_another_program, "not MLflow's", "move it away"),
        (no_database, "no sound database", "move it away"),
        (cut, "no sound database", "move it away"),
        (a_folder, "cannot be opened", "right to"),
    ],
)
def test_a_broken_database_is_said_in_a_line_and_costs_no_event(
    mlflow_uri, tmp_path, mlflow_database, spoil, reason, remedy
):
    path = tmp_path / "mlflow.db"
    spoil(path)
    before = path.read_bytes() if path.is_file() else b""
    started = time.monotonic()
    run = MlflowTracker("run", experiment="bank", uri=mlflow_uri)
    run.log_metrics({"identity": 0.5}, step=1)
    run.finish()
    assert time.monotonic() - started < 120  # most of it to import MLflow
    backlog = run.flush()
    assert backlog.waiting == 3
    assert reason in backlog.problem
    assert remedy in backlog.problem
    assert "\n" not in str(backlog)
    assert (path.read_bytes() if path.is_file() else b"") == before
    assert not list(tmp_path.glob(".mlflow*"))

    path.rename(tmp_path / "moved")
    shutil.copy(mlflow_database, path)
    assert not replay_spool(mlflow_uri, patience_s=60.0)


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BrokenStoreError, match=r"cannot be written .* choose another runs folder"):
        prepare(tmp_path / "file" / "runs" / "mlflow.db")


def test_a_locked_database_costs_seconds_and_no_event(mlflow_uri, tmp_path):
    with sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        run = MlflowTracker("run", experiment="bank", uri=mlflow_uri)
        run.log_metrics({"identity": 0.5}, step=1)
        started = time.monotonic()
        run.finish()
        assert time.monotonic() - started < 60
        assert "locked" in run.flush().problem
        other.execute("ROLLBACK")
    assert not replay_spool(mlflow_uri, patience_s=60.0)


def test_a_database_that_is_locked_later_costs_seconds_and_no_event(mlflow_uri, tmp_path):
    run = MlflowTracker("run", experiment="bank", uri=mlflow_uri)
    assert not run.flush()
    with sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        run.log_metrics({"identity": 0.5}, step=1)
        started = time.monotonic()
        run.finish()
        assert time.monotonic() - started < 30
        assert run.flush().waiting == 2
        other.execute("ROLLBACK")
    assert not replay_spool(mlflow_uri, patience_s=60.0)


def test_the_lock_lies_beside_the_database(mlflow_uri, tmp_path):
    assert lock_path(tmp_path / "mlflow.db") == tmp_path / "mlflow.db.lock"
    MlflowTracker("run", experiment="bank", uri=mlflow_uri).finish()
    assert (tmp_path / "mlflow.db.lock").exists()
