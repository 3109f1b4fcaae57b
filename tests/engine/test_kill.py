"""The whole job killed with -9, at several points, and the same command again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.conftest import REPOSITORY
from tests.engine.fake_stages import chain, computed

PHOTOS = 10
SHARDS = 5
STAGES = ("align", "invert", "stylize bronze", "stylize clay")


@pytest.fixture
def job(photos, tmp_path, ray_cluster):
    """A function that starts the job's process on the shared Ray."""
    folder = photos(*(f"slow{i:02d}.png" for i in range(PHOTOS - 2)), "noface.png", "broken.png")
    (tmp_path / "log").mkdir()
    address = ray_cluster.get_runtime_context().gcs_address

    def start(shard_size: int = 2) -> subprocess.Popen:
        arguments = [folder, tmp_path / "out", tmp_path / "log", address, shard_size]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.engine.engine_job", *map(str, arguments)],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start


def markers(output) -> int:
    return len(list(output.rglob("_commits/**/*.json")))


def run_to_the_end(process) -> dict:
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err[-2000:]
    return json.loads(out.splitlines()[-1])


def check_nothing_lost(output, totals) -> None:
    """Every input has exactly one row per stage that it reached, and no stray file is left."""
    assert [totals[name]["inputs"] for name in STAGES] == [PHOTOS] + [PHOTOS - 2] * 3
    for recipe in chain(output, ("bronze", "clay")):
        table = recipe.table()
        rows = [row for commit in table.commits() for row in table.read_rows(commit)]
        ids = Counter(row.record.record_id for row in rows)
        assert set(ids.values()) == {1}
        assert len(ids) == totals[recipe.name]["inputs"]
        named = {e.path for commit in table.commits() for e in commit.files.values()}
        assert set(table.sizes()) == named


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", [1, 4, 9, 15])
def test_killed_job_goes_on_and_loses_nothing(job, tmp_path, kill_at):
    output = tmp_path / "out"
    process = job()
    deadline = time.monotonic() + 600
    while markers(output) < kill_at and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    stood = markers(output)
    totals = run_to_the_end(job())
    check_nothing_lost(output, totals)
    # What was committed is not computed again: at most what was in flight is.
    again = Counter(computed(tmp_path / "log", "align"))
    assert sum(again.values()) - PHOTOS <= 4 * 2
    assert sum(totals[name]["shards_kept"] for name in STAGES) >= stood


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [1, 2, 4, 8])
def test_sigterm_ends_the_job_within_seconds_and_frees_the_lease(job, tmp_path, stop_at):
    process = job()
    while markers(tmp_path / "out") < stop_at and process.poll() is None:
        time.sleep(0.02)
    began = time.monotonic()
    process.terminate()
    _, errors = process.communicate(timeout=120)
    print(f"ended after {time.monotonic() - began:.1f} s")
    assert process.returncode == 128 + signal.SIGTERM, errors[-2000:]
    check_nothing_lost(tmp_path / "out", run_to_the_end(job()))


@pytest.mark.slow
def test_search_for_a_poison_record_outlives_its_drivers(job, photos, tmp_path):
    """Every driver is killed as soon as its search has come one step further."""
    for path in photos().iterdir():
        path.unlink()
    photos("a.png", "b.png", "poison.png", "z.png")
    kept = tmp_path / "out" / "aligned" / "_partial" / "00000" / "search.json"
    steps = []
    for _ in range(20):
        process = job(shard_size=4)
        while process.poll() is None:
            if kept.exists() and (content := kept.read_text()) not in steps:
                steps.append(content)
                os.killpg(process.pid, signal.SIGKILL)
                break
            time.sleep(0.01)
        if process.wait() == 0:
            break
        process.communicate()
    totals = run_to_the_end(process)
    counts = [totals["align"][name] for name in ("inputs", "ok", "failed")]
    assert (counts, totals["align"]["reasons"]) == ([4, 3, 1], {"WorkerLost": 1})
    # The whole twice, its second half, the record by itself, and its two trials.
    assert len(steps) == 6
    assert json.loads(steps[-1])["quarantined"][0][:2] == [2, "WorkerLost"]
    # One more at most for each killed driver: what was in flight.
    found = Counter(computed(tmp_path / "log", "align"))
    assert 6 <= found["poison.png"] <= 12
    assert not kept.parent.exists()
