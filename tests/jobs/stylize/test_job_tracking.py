"""The tracked run of a job on a real Ray: opened once, and never at the cost of the job."""

import json
import time

import pytest

from itportrait.errors import InvalidArgumentError
from itportrait.jobs.stylize.config import TrackingConfig
from itportrait.jobs.stylize.job_tracking import JobTracking
from itportrait.on_ray.tasks import RayExecutor
from tests.helpers.bad_servers import answering, silent

DOMAINS = [f"domain-{index}" for index in range(9)]


def train(target, domain: str) -> str:
    """Report as the worker of a domain does."""
    from itportrait.tracking import open_tracker

    parent = open_tracker(
        target.uri, target.parent, experiment=target.experiment, spool=target.spool
    )
    run = parent.child(domain, tags={"domain": domain})
    for step in range(5):
        run.log_metrics({"identity": step / 5}, step=step)
    run.finish()
    return domain


def train_all(ray, tracking: JobTracking, domains: list[str]) -> None:
    tracking.open()
    task = ray.remote(num_cpus=0.1, max_calls=1)(train)
    assert ray.get([task.remote(tracking.target, domain) for domain in domains]) == domains
    tracking.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nine_domains_at_once_in_a_new_database(ray_cluster, tmp_path):
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/100%? #1/mlflow.db"
    tracking = JobTracking(TrackingConfig(uri=uri), RayExecutor(), parent="stylize_dataset")
    train_all(ray_cluster, tracking, DOMAINS)
    assert not tracking.backlog, str(tracking.backlog)
    assert tracking.to_json()["waiting"] == 0

    (tmp_path / "100%? #1").rename(tmp_path / "plain")
    client = MlflowClient(f"sqlite:///{tmp_path}/plain/mlflow.db")
    experiment = client.get_experiment_by_name("style-bank")
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run is not parent]
    assert parent.info.status == "FINISHED"
    assert sorted(run.data.tags["domain"] for run in children) == DOMAINS
    for run in children:
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.info.status == "FINISHED"
        steps = [point.step for point in client.get_metric_history(run.info.run_id, "identity")]
        assert steps == list(range(5))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_broken_database_is_one_line_and_the_next_job_sends_what_waits(
    ray_cluster, mlflow_uri, tmp_path
):
    path = tmp_path / "mlflow.db"
    path.rename(tmp_path / "good")
    path.write_bytes(b"no database" * 1000)
    tracking = JobTracking(TrackingConfig(uri=mlflow_uri), RayExecutor(), parent="job")
    train_all(ray_cluster, tracking, DOMAINS[:2])
    line = str(tracking.backlog)
    assert "no sound database" in line
    assert "move it away" in line
    assert "\n" not in line
    about = json.loads(json.dumps(tracking.to_json()))
    assert about["waiting"] == tracking.backlog.waiting > 12
    assert "move it away" in about["problem"]

    (tmp_path / "good").replace(path)
    again = JobTracking(TrackingConfig(uri=mlflow_uri), RayExecutor(), parent="job")
    again.close()  # nothing is adapted, and what waits is sent all the same
    assert not again.backlog


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_silent_server_costs_a_job_seconds(ray_cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("ITPORTRAIT_RUNS", str(tmp_path))
    with answering(silent) as uri:
        tracking = JobTracking(TrackingConfig(uri=uri), RayExecutor(), parent="job")
        ray_cluster.get(ray_cluster.remote(num_cpus=0.1)(import_mlflow).remote())
        started = time.monotonic()
        tracking.open()
        tracking.close()
        assert time.monotonic() - started < 120  # two processes import MLflow in it
    # The task that opens the run may still be waiting for the server when the one that closes asks.
    said = str(tracking.backlog)
    assert any(part in said for part in ("no answer", "timed out", "another process is sending"))
    assert f"MLflow at {uri}" in said
    assert "events wait in" in said
    assert list((tmp_path / "mlflow_spool").glob("*.jsonl"))


def import_mlflow() -> None:
    import mlflow.store.tracking.rest_store  # noqa: F401


def test_no_tracking_starts_nothing():
    tracking = JobTracking(TrackingConfig(), RayExecutor(), parent="job")
    tracking.open()
    tracking.close()
    assert not tracking.backlog
    assert tracking.to_json()["uri"] == "none"


def test_an_address_that_is_none_is_refused_before_anything_starts():
    with pytest.raises(InvalidArgumentError, match="tracking URI must be a database or a server"):
        JobTracking(TrackingConfig(uri="runs/mlruns"), RayExecutor(), parent="job")
