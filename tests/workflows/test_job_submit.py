"""The main job as `ray job submit` runs it: shipped to several nodes, stopped, submitted again."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray.job_submission import JobStatus, JobSubmissionClient
from ray.util.state import list_nodes

from itportrait.io.commits import read_committed
from itportrait.mini.samples import write_sample_portraits
from itportrait.records import AlignedRecord, Status
from tests.conftest import REPOSITORY
from tests.helpers.local_cluster import LocalCluster
from tests.helpers.tables import read_styled

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(900)]
PHOTOS = 6
CONFIG = """
bundle: mini
domains:
  - clown
  - {name: zombie, mode: text, prompt: a zombie, source_prompt: a photo of a person, steps: 500}
adapt: {probe: {every: 5, count: 2, images: 1}}
ingest: {shard_size: 1}
invert: {method: w_plus, steps: 4, statistics_samples: 256}
stylize: {views_deg: [], metrics: false}
publish: {portraits: 0, review: 0}
resources: {in_flight: 3, lease_wait_s: 5}
"""
GRACE_S = 3.0
"""Between SIGTERM and SIGKILL of `ray job stop`."""


@pytest.fixture(scope="module")
def cluster():
    """A head that works on nothing and two nodes of two cores."""
    with LocalCluster(nodes=2, cpus=2) as found:
        yield found


@pytest.fixture(scope="module")
def client(cluster):
    """The jobs API of the cluster."""
    return JobSubmissionClient(cluster.jobs)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder that all nodes see, with photos and a configuration."""
    root = tmp_path_factory.mktemp("submitted")
    write_sample_portraits(str(root / "photos"), PHOTOS, 5, 256)
    (root / "photos" / "truth.parquet").unlink()
    (root / "job.yaml").write_text(CONFIG)
    return root


@pytest.fixture(scope="module")
def submit(cluster, place):
    """A function that submits a command as the README does, its driver on a node with cores."""

    def run(name: str, *command: str) -> str:
        ray = [str(Path(cluster.environment()["PATH"].split(":")[0]) / "ray"), "job", "submit"]
        options = ["--address", cluster.jobs, "--submission-id", name, "--no-wait"]
        options += ["--runtime-env", "cluster/runtime_env.yaml", "--entrypoint-num-cpus", "1"]
        done = subprocess.run(
            [*ray, *options, "--", *command],
            cwd=REPOSITORY,
            env=cluster.environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return name

    return run


def workflow(place, domain: str) -> list[str]:
    """Return the command of the main job."""
    command = ["python", "workflows/stylize_dataset.py", "--address", "auto", "--domains", domain]
    command += ["--config", f"{place}/job.yaml", "--input", f"{place}/photos"]
    return [*command, "--output", f"{place}/out", "--bank", f"{place}/bank"]


def wait_for_end(cluster, client, name: str, *, timeout_s: float = 300) -> JobStatus:
    deadline = time.monotonic() + timeout_s
    while not (status := client.get_job_status(name)).is_terminal():
        assert time.monotonic() < deadline, cluster.job_log(name)[-3000:]
        time.sleep(0.02)
    return status


def commits(place) -> dict[str, bytes]:
    """Return the marker of every committed shard of every stage."""
    return {str(path): path.read_bytes() for path in (place / "out").rglob("_commits/**/*.json")}


def test_what_runs_is_the_checkout_that_was_submitted(cluster, client, submit):
    script = "import itportrait; print(itportrait.__file__)"
    name = submit("where", "python", "-c", script)
    assert wait_for_end(cluster, client, name) is JobStatus.SUCCEEDED
    assert "/working_dir_files/_ray_pkg_" in cluster.job_log(name)


def stop(cluster, client, name: str, place) -> str:
    """Stop a job like `ray job stop`; return how long its lease and its driver lasted."""
    (path,) = (place / "out" / "_lease").glob("*.json")
    driver = psutil.Process(json.loads(path.read_text())["pid"])
    began = time.time()
    client.stop_job(name)
    # One that has ended stays a zombie until whoever started it looks.
    while driver.is_running() and driver.status() != psutil.STATUS_ZOMBIE:
        assert time.time() - began < 60
        time.sleep(0.01)
    gone = time.time() - began
    assert wait_for_end(cluster, client, name) is JobStatus.STOPPED
    # The lease is given back: nothing had to be killed, and the next job need not wait.
    assert json.loads(path.read_text())["released"], cluster.job_log(name)[-3000:]
    released = path.stat().st_mtime - began
    assert released < GRACE_S
    assert gone < GRACE_S + 1
    return f"lease back after {released:.1f} s, driver gone after {gone:.1f} s"


def wait_until(condition, cluster, client, name: str, *, timeout_s: float = 300) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert not client.get_job_status(name).is_terminal(), cluster.job_log(name)[-3000:]
        assert time.monotonic() < deadline, cluster.job_log(name)[-3000:]
        time.sleep(0.05)


def test_stopped_job_ends_at_once_and_keeps_what_it_committed(cluster, client, submit, place):
    name = submit("first", *workflow(place, "clown"))
    wait_until(lambda: len(commits(place)) >= 3, cluster, client, name)
    driver = client.get_job_info(name).driver_node_id
    nodes: list[Any] = list_nodes(address=cluster.jobs)
    heads = [node.node_id for node in nodes if node.is_head_node]
    assert driver not in heads
    before = commits(place)
    print(f"{len(before)} shards committed: {stop(cluster, client, name, place)}")
    assert before.items() <= commits(place).items()


def test_submitted_again_it_goes_on_to_the_end(cluster, client, submit, place):
    before = commits(place)
    assert 3 <= len(before) < 3 * PHOTOS
    name = submit("second", *workflow(place, "clown"))
    assert wait_for_end(cluster, client, name) is JobStatus.SUCCEEDED, cluster.job_log(name)[-3000:]
    assert f"{PHOTOS} inputs: {PHOTOS} ok" in cluster.job_log(name)
    assert before.items() <= commits(place).items()
    aligned = list(read_committed(str(place / "out" / "aligned"), AlignedRecord))
    for records in (aligned, read_styled(place / "out", "clown")):
        assert [record.status for record in records] == [Status.OK] * PHOTOS
        assert len({record.record_id for record in records}) == PHOTOS
    stages = json.loads((place / "out" / "run.json").read_text())["stages"]
    assert sum(stage["shards_kept"] for stage in stages.values()) == len(before)


def test_job_that_adapts_a_domain_is_stopped_as_quickly(cluster, client, submit, place):
    before = commits(place)
    name = submit("third", *workflow(place, "zombie"))
    training = place / "bank" / "_training"
    wait_until(lambda: any(training.rglob("*.json")), cluster, client, name)
    print(f"a domain in training: {stop(cluster, client, name, place)}")
    assert before.items() <= commits(place).items()


def test_an_output_in_the_temporary_copy_is_refused(cluster, client, submit, place):
    command = workflow(place, "clown")
    command[command.index("--output") + 1] = "runs/out"
    name = submit("relative", *command)
    assert wait_for_end(cluster, client, name) is JobStatus.FAILED
    log = cluster.job_log(name)
    assert "error: --output must be a place that outlasts the job" in log
    assert "Traceback" not in log


def test_reference_pictures_of_the_checkout_reach_the_workers(cluster, client, submit, place):
    """Each node unpacks the checkout elsewhere: the driver's path is none of the workers'."""
    command = ["python", "workflows/stylize_dataset.py", "--address", "auto"]
    command += ["--config", "configs/demo.yaml", "--domains", "bronze"]
    command += ["--input", f"{place}/photos", "--output", f"{place}/referenced"]
    command += ["--bank", f"{place}/referenced/bank", "--set", "tracking.uri=none"]
    for setting in ("adapt.probe={every: 2, count: 2, images: 1}", "invert.steps=2"):
        command += ["--set", setting]
    command += ["--set", "publish={portraits: 0, review: 0}", "--set", "stylize.views_deg=[]"]
    name = submit("references", *command)
    assert wait_for_end(cluster, client, name) is JobStatus.SUCCEEDED, cluster.job_log(name)[-3000:]
    records = read_styled(place / "referenced", "bronze")
    assert [record.status for record in records] == [Status.OK] * PHOTOS
