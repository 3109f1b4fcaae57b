"""What is lost with the machine: Ray's own processes killed under a job, and the command again."""

import json
import os
import subprocess
import sys
import time

import psutil
import pytest

from tests.conftest import REPOSITORY
from tests.engine.fake_stages import chain

PHOTOS = 8


@pytest.fixture
def job(photos, tmp_path):
    """A function that starts the job's process on an embedded Ray of its own."""
    folder = photos(*(f"{i:02d}.png" for i in range(PHOTOS)), "hang.png")
    (tmp_path / "log").mkdir()

    def start(memory_wait_s: int = 900, **environment: str) -> subprocess.Popen:
        arguments = [str(folder), str(tmp_path / "out"), str(tmp_path / "log"), "", "2"]
        arguments.append(str(memory_wait_s))
        return subprocess.Popen(
            [sys.executable, "-m", "tests.engine.engine_job", *arguments],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def kill_child(process: subprocess.Popen, name: str) -> None:
    (found,) = (
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if child.name() == name
    )
    found.kill()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("killed", "said"), [("raylet", "Ray on this machine has ended"), ("gcs_server", "the head of")]
)
def test_job_ends_in_one_sentence_and_the_next_run_computes_all(job, tmp_path, killed, said):
    process = job()
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    markers = tmp_path / "out" / "aligned" / "_commits"
    deadline = time.monotonic() + 300
    while not (markers.exists() and any(markers.iterdir())) and time.monotonic() < deadline:
        time.sleep(0.05)
    kill_child(process, killed)
    began = time.monotonic()
    _, errors = process.communicate(timeout=300)
    print(f"ended {time.monotonic() - began:.0f} s after {killed} was killed")
    check_one_sentence(process, errors, said)
    check_all_is_computed(job, tmp_path)


@pytest.mark.slow
def test_memory_that_stays_short_ends_the_job_and_blames_no_photo(job, tmp_path):
    """Ray's limit is so low that every task is ended: as on a machine that others have filled."""
    process = job(5, RAY_memory_usage_threshold="0.005", RAY_memory_monitor_refresh_ms="50")
    _, errors = process.communicate(timeout=400)
    check_one_sentence(process, errors, "nodes have been short of memory for")
    table = chain(tmp_path / "out")[0].table()
    assert [commit.failed for commit in table.commits() if commit.failed] == []
    check_all_is_computed(job, tmp_path)


def check_one_sentence(process: subprocess.Popen, errors: str, said: str) -> None:
    own = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert len(own) == 1, errors[-3000:]
    assert said in own[0]
    assert process.returncode == 1
    assert "Traceback" not in errors


def check_all_is_computed(job, tmp_path) -> None:
    """Run the job again, and check that every photo has its rows, and none failed."""
    (tmp_path / "photos" / "hang.png").unlink()  # it kept the first job from its end
    out, _ = job().communicate(timeout=300)
    totals = json.loads(out.splitlines()[-1])
    for recipe in chain(tmp_path / "out", ("bronze", "clay")):
        assert (totals[recipe.name]["ok"], totals[recipe.name]["failed"]) == (PHOTOS, 0)
        rows = [r for c in recipe.table().commits() for r in recipe.table().read_rows(c)]
        assert len({row.record.record_id for row in rows}) == len(rows) == PHOTOS
