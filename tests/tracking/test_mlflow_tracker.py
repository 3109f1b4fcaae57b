"""Against a real MLflow on sqlite."""

import time

import numpy as np
import pytest

from itportrait.errors import InvalidArgumentError
from itportrait.tracking import (
    NOTE_TAG,
    MlflowTracker,
    NullTracker,
    RunStatus,
    default_spool,
    open_tracker,
    probe_image_key,
    replay_spool,
)
from itportrait.tracking.database import absolute_uri

PICTURE = np.full((8, 8, 3), 128, np.uint8)


@pytest.fixture
def uri(mlflow_uri):
    return mlflow_uri


@pytest.fixture
def client(uri):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def break_service(monkeypatch, tracker):
    """Let the service be away, as a dead server is: every event ends in a connection error."""

    def send(event):
        raise ConnectionError("connection refused")

    monkeypatch.setattr(tracker._courier.store, "send", send)


def test_a_run_and_its_child(uri, client, tmp_path):
    (tmp_path / "curve.txt").write_text("1 2 3")
    parent = open_tracker(uri, "bank-2026-11-22", experiment="bank", tags={"bank_id": "x"})
    child = parent.child("bronze", tags={"domain": "bronze"})
    child.log_params({"mode": "text", "steps": 40})
    for step in (25, 50):
        child.log_metrics({"clip_direction": step / 100, "identity": 0.9}, step=step)
        child.log_image(probe_image_key(0), PICTURE, step=step)
    child.log_artifact(tmp_path / "curve.txt", "curves")
    child.log_text("spec.json", "{}")
    child.set_tags({"gate": "passed"})
    child.finish()
    parent.finish()

    run = client.get_run(child.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"mode": "text", "steps": "40"}
    assert run.data.tags["mlflow.parentRunId"] == parent.run_id
    assert run.data.tags["domain"] == "bronze"
    assert run.data.tags["gate"] == "passed"
    history = client.get_metric_history(child.run_id, "clip_direction")
    assert [(point.step, point.value) for point in history] == [(25, 0.25), (50, 0.5)]
    pictures = [file.path for file in client.list_artifacts(child.run_id, "images")]
    assert len([path for path in pictures if path.endswith(".png")]) == 2
    assert all("probe~face_000" in path for path in pictures)
    assert [file.path for file in client.list_artifacts(child.run_id, "curves")] == [
        "curves/curve.txt"
    ]
    files = {file.path for file in client.list_artifacts(child.run_id)}
    assert files == {"curves", "images", "spec.json"}
    assert (tmp_path / "mlartifacts").is_dir()


def test_a_resumed_run_is_found_and_repeats_nothing(uri, client):
    first = open_tracker(uri, "bank").child("bronze")
    first.log_params({"steps": 40})
    for step in (25, 50):
        first.log_metrics({"identity": 0.9}, step=step)
        first.log_image(probe_image_key(0), PICTURE, step=step)
    first.finish(RunStatus.FAILED)

    second = open_tracker(uri, "bank").child("bronze")
    second.flush()
    assert second.run_id == first.run_id
    assert client.get_run(second.run_id).info.status == "RUNNING"
    second.log_params({"steps": 80})  # a param cannot change in MLflow: the first one stays
    for step in (50, 75):
        second.log_metrics({"identity": 0.9}, step=step)
        second.log_image(probe_image_key(0), PICTURE, step=step)
    second.finish()
    history = client.get_metric_history(first.run_id, "identity")
    assert [point.step for point in history] == [25, 50, 75]
    pictures = client.list_artifacts(first.run_id, "images")
    assert len([file for file in pictures if file.path.endswith(".png")]) == 3
    assert client.get_run(first.run_id).data.params == {"steps": "40"}


def test_an_outage_costs_a_warning_and_no_point(uri, client, monkeypatch, caplog):
    tracker = MlflowTracker("run", experiment="bank", uri=uri)
    tracker.log_metrics({"identity": 0.1}, step=1)
    assert not tracker.flush()
    with monkeypatch.context() as patch:
        break_service(patch, tracker)
        tracker.log_metrics({"identity": 0.2}, step=2)
        tracker.log_image(probe_image_key(0), PICTURE, step=2)
        tracker.log_metrics({"identity": 0.3}, step=3)
        assert tracker.flush().waiting == 3
    assert caplog.text.count("is away") == 1
    tracker.log_metrics({"identity": 0.4}, step=4)
    tracker.finish()
    history = client.get_metric_history(tracker.run_id, "identity")
    assert [(point.step, point.value) for point in history] == [
        (1, 0.1),
        (2, 0.2),
        (3, 0.3),
        (4, 0.4),
    ]
    stamps = [point.timestamp for point in history]
    assert stamps == sorted(stamps)
    assert not tracker._spool.path.exists()


def test_a_service_away_from_start_to_end_is_replayed_later(uri, client, monkeypatch, tmp_path):
    from itportrait.tracking.mlflow_store import MlflowStore

    (tmp_path / "card.md").write_text("card")
    with monkeypatch.context() as patch:

        def send(self, event):
            raise ConnectionError("connection refused")

        patch.setattr(MlflowStore, "send", send)
        tracker = open_tracker(uri, "bank")
        child = tracker.child("bronze", tags={"domain": "bronze"})
        child.log_metrics({"identity": 0.5}, step=7)
        child.log_artifact(tmp_path / "card.md")
        (tmp_path / "card.md").unlink()  # the spool has its own copy
        child.finish()
        tracker.finish()
        assert tracker.run_id is None
        assert replay_spool(uri).waiting > 0
    assert not replay_spool(uri)
    experiment = client.get_experiment_by_name("style-bank").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert runs["bronze"].data.metrics == {"identity": 0.5}
    assert runs["bronze"].data.tags["mlflow.parentRunId"] == runs["bank"].info.run_id
    assert runs["bronze"].info.status == "FINISHED"
    assert [file.path for file in client.list_artifacts(runs["bronze"].info.run_id)] == ["card.md"]
    assert not list((default_spool(uri) / "files").iterdir())


def test_what_a_worker_left_does_not_open_the_ended_run_again(uri, client, monkeypatch):
    from itportrait.tracking.mlflow_store import MlflowStore

    with monkeypatch.context() as patch:

        def send(self, event):
            raise ConnectionError("connection refused")

        patch.setattr(MlflowStore, "send", send)
        child = open_tracker(uri, "bank").child("bronze")
        child.finish()
    time.sleep(0.01)  # runs are told apart by milliseconds
    job = open_tracker(uri, "bank")
    job.finish()
    ended = client.get_run(job.run_id).info
    assert ended.status == "FINISHED"

    assert not replay_spool(uri)
    assert client.get_run(job.run_id).info.status == "FINISHED"
    (bronze,) = client.search_runs([ended.experiment_id], "tags.mlflow.runName = 'bronze'")
    assert bronze.info.status == "FINISHED"
    assert bronze.data.tags["mlflow.parentRunId"] == job.run_id


def test_a_run_that_was_made_for_its_model_alone_finds_its_parent(uri, client):
    orphan = open_tracker(uri, "bronze", key="bronze-1")
    orphan.finish()
    parent = open_tracker(uri, "bank")
    child = parent.child("bronze", key="bronze-1")
    child.flush()
    assert child.run_id == orphan.run_id
    assert client.get_run(child.run_id).data.tags["mlflow.parentRunId"] == parent.run_id


def test_a_server_that_does_not_listen_never_raises(tmp_path):
    tracker = MlflowTracker(
        "run", experiment="bank", uri="http://127.0.0.1:9", spool=tmp_path, retry_s=60
    )
    tracker.log_metrics({"identity": 1.0}, step=1)
    backlog = tracker.flush()
    assert tracker.run_id is None
    assert backlog.waiting == 2
    assert "refused" in backlog.problem


def test_what_mlflow_refuses_is_dropped_and_does_not_block(uri, client, caplog):
    tracker = open_tracker(uri, "run")
    tracker.log_metrics({"bad key with \x00": 1.0}, step=1)
    tracker.log_metrics({"good": 1.0}, step=2)
    assert not tracker.flush()
    assert "refused" in caplog.text
    assert client.get_run(tracker.run_id).data.metrics == {"good": 1.0}


@pytest.mark.parametrize(
    ("error", "status"), [(None, "FINISHED"), (ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_the_status_follows_how_the_block_ends(uri, client, error, status):
    tracker = open_tracker(uri, f"run-{status}")
    try:
        with tracker:
            if error:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass
    assert client.get_run(tracker.run_id).info.status == status


def test_pixels_must_be_uint8(uri):
    with pytest.raises(InvalidArgumentError, match="uint8"):
        open_tracker(uri, "run").log_image("probe/face_000", np.zeros((8, 8, 3)))


def test_sqlite_paths_are_resolved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute_uri("sqlite:///runs/mlflow.db") == f"sqlite:///{tmp_path}/runs/mlflow.db"
    assert absolute_uri("http://127.0.0.1:5000") == "http://127.0.0.1:5000"


def test_spools_lie_beside_the_database_or_with_the_runs(tmp_path, monkeypatch):
    assert default_spool(f"sqlite:///{tmp_path}/mlflow.db") == tmp_path / "mlflow_spool"
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ITPORTRAIT_RUNS", raising=False)
    assert default_spool("http://127.0.0.1:5000") == tmp_path / "runs" / "mlflow_spool"
    monkeypatch.setenv("ITPORTRAIT_RUNS", str(tmp_path / "mine"))
    assert default_spool("http://127.0.0.1:5000") == tmp_path / "mine" / "mlflow_spool"


@pytest.mark.parametrize("uri", [None, "", "none"])
def test_no_tracking(uri, tmp_path):
    with open_tracker(uri, "run") as tracker:
        assert isinstance(tracker, NullTracker)
        child = tracker.child("bronze")
        child.log_metrics({"identity": 1.0}, step=1)
        child.log_image("probe/face_000", PICTURE)
        child.log_params({})
        child.set_tags({})
        child.log_text("spec.json", "{}")
        child.log_artifact(tmp_path / "absent")
        assert child.run_id is None


def test_a_database_without_its_driver_is_no_outage():
    with pytest.raises(InvalidArgumentError, match=r"mysql:// \(No module named 'MySQLdb'\)"):
        open_tracker("mysql://user:secret@127.0.0.1/mlflow", "run")
    with pytest.raises(InvalidArgumentError, match="MLflow server in front"):
        open_tracker("postgresql+nosuch://127.0.0.1/mlflow", "run")


def test_spool_of_a_submitted_job_outlasts_it(tmp_path, monkeypatch):
    copy = tmp_path / "session_1/runtime_resources/working_dir_files/_ray_pkg_0123456789abcdef"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    monkeypatch.delenv("ITPORTRAIT_RUNS", raising=False)
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "cache"))
    assert default_spool("http://127.0.0.1:5000") == tmp_path / "cache" / "mlflow_spool"
    monkeypatch.setenv("ITPORTRAIT_RUNS", str(tmp_path / "mine"))
    assert default_spool("http://127.0.0.1:5000") == tmp_path / "mine" / "mlflow_spool"


def test_descriptions_are_shown_and_edited_ones_stay(uri, client):
    run = open_tracker(uri, "job", tags={NOTE_TAG: "what it is"})
    run.flush()
    experiment = client.get_experiment_by_name("style-bank")
    assert "| figures | what was measured |" in experiment.tags[NOTE_TAG]
    assert client.get_run(run.run_id).data.tags[NOTE_TAG] == "what it is"
    client.set_tag(run.run_id, NOTE_TAG, "edited")
    client.set_experiment_tag(experiment.experiment_id, NOTE_TAG, "edited too")
    again = open_tracker(uri, "job", tags={NOTE_TAG: "what it is", "kind": "job"})
    again.finish()
    assert again.run_id == run.run_id
    tags = client.get_run(run.run_id).data.tags
    assert (tags[NOTE_TAG], tags["kind"]) == ("edited", "job")
    assert client.get_experiment(experiment.experiment_id).tags[NOTE_TAG] == "edited too"


def test_an_experiment_without_a_description_gets_one(uri, client):
    made = client.create_experiment("old")
    open_tracker(uri, "job", experiment="old").finish()
    assert "what was measured" in client.get_experiment(made).tags[NOTE_TAG]
