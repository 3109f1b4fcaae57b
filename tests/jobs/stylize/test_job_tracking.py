"""The tracked run of a job on a real Ray: opened once, and never at the cost of the job."""

import json
import time

import pytest

from itportrait.errors import InvalidArgumentError, ItportraitError
from itportrait.execution.causes import ClusterLostError, NodeLostError
from itportrait.execution.executor import Call
from itportrait.jobs.ready_made import ready_made_bank
from itportrait.jobs.stylize import job_tracking
from itportrait.jobs.stylize.config import TrackingConfig
from itportrait.jobs.stylize.job_tracking import JobTracking
from itportrait.on_ray.tasks import RayExecutor
from tests.helpers.bad_servers import answering, silent
from tests.helpers.here import HereExecutor

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
    for _ in range(9):  # on a busy machine some events wait for the next job, which sends them
        if not tracking.backlog:
            break
        assert tracking.backlog.lost == 0
        tracking = JobTracking(TrackingConfig(uri=uri), RayExecutor(), parent="stylize_dataset")
        tracking.close()
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


class HeldExecutor:
    """Runs nothing: a task ends when the test says so, and as it says."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.ends: dict[int, Exception | None] = {}

    def submit(self, call: Call) -> int:
        self.calls.append(call)
        return len(self.calls) - 1

    def wait(self, tasks, timeout_s: float) -> int | None:
        ended = next((task for task in tasks if task in self.ends), None)
        if ended is None:
            time.sleep(timeout_s)
        return ended

    def result(self, task: int) -> None:
        if error := self.ends[task]:
            raise error

    def cancel(self, tasks) -> None:
        assert not tasks

    @property
    def names(self) -> list[str]:
        return [call.function.__name__ for call in self.calls]


@pytest.fixture
def held(monkeypatch, tmp_path):
    """A job's tracking whose tasks end when the test says so."""
    monkeypatch.setenv("ITPORTRAIT_RUNS", str(tmp_path))
    monkeypatch.setattr(job_tracking, "OPENING_S", 0.05)
    config = TrackingConfig(uri="http://tracking.invalid")
    return JobTracking(config, HeldExecutor(), parent="job")


@pytest.fixture(scope="module")
def clown():
    return ready_made_bank("mini").champion("clown")


def test_ready_made_versions_wait_until_the_one_task_has_made_the_run(held, clown):
    executor = held._executor
    held.record(clown)
    held.open()
    held.record(clown)
    assert executor.names == ["_open_run"]
    executor.ends[0] = None
    held.open()
    assert executor.names == ["_open_run", "record_version", "record_version"]
    held.record(clown)
    assert executor.names.count("_open_run") == 1


def test_a_run_whose_task_is_lost_is_made_by_another_one(held, clown):
    executor = held._executor
    executor.ends = {task: NodeLostError("gone") for task in range(2)}
    held.record(clown)
    assert executor.names == ["_open_run"] * 3
    executor.ends[2] = NodeLostError("gone")  # the last try: versions are shown all the same
    held.open()
    assert executor.names == ["_open_run"] * 3 + ["record_version"]


@pytest.mark.parametrize("error", [ItportraitError("no database"), ClusterLostError("gone")])
def test_a_run_that_cannot_be_made_is_no_end_of_the_job(held, clown, error):
    held._executor.ends = dict.fromkeys(range(9), error)
    held.open()
    held.record(clown)
    held.close()
    assert held._executor.names.count("_open_run") == 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ready_made_versions_stand_under_the_one_run_of_the_job(mlflow_uri, clown):
    from mlflow import MlflowClient

    executor = HereExecutor()
    tracking = JobTracking(TrackingConfig(uri=mlflow_uri), executor, parent="job")
    tracking.record(clown)
    tracking.close()
    assert not tracking.backlog, str(tracking.backlog)
    names = [call.function.__name__ for call in executor.calls]
    assert names == ["_open_run", "record_version", "_close_run"]
    client = MlflowClient(mlflow_uri)
    experiment = client.get_experiment_by_name("style-bank")
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    (child,) = [run for run in runs if run is not parent]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert (parent.info.status, child.info.status) == ("FINISHED", "FINISHED")
