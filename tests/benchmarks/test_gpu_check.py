"""The report of `benchmarks/gpu_check.sh`: a part that failed, hung or tested nothing is told."""

import json
import os
import subprocess

import pytest

from benchmarks.gpu_report import gather
from tests.conftest import REPOSITORY

PASSED = "== 31 passed, 2 skipped in 40.1s =="


def write(folder, name, end, log="", figures=None):
    """Leave what a part leaves: its end, its log, its figures."""
    (folder / f"{name}.end").write_text(end)
    (folder / f"{name}.log").write_text(log)
    if figures is not None:
        (folder / f"{name}.json").write_text(json.dumps(figures))


def test_parts_that_ended_well_are_gathered_with_their_figures(tmp_path):
    write(tmp_path, "tests", "0 42 150", PASSED)
    write(tmp_path, "kernels", "0 9 60", figures={"render_rays": {"forward_ratio": 6.1}})
    (tmp_path / "gpu_check.json").write_text("{}")  # of an earlier check
    report = gather(tmp_path)
    assert report["ok"]
    assert report["parts"]["tests"]["tests"] == {"passed": 31, "skipped": 2}
    assert report["kernels"] == {"render_rays": {"forward_ratio": 6.1}}
    assert set(report) == {"ok", "parts", "kernels"}


@pytest.mark.parametrize(
    ("end", "log", "ended"),
    [
        ("1 42 150", "== 1 failed, 30 passed in 40.1s ==", "badly"),
        ("124 150 150", "test_a ...", "too late"),
        ("137 155 150", "", "too late"),
        ("0 3 150", "== 33 skipped in 3.0s ==", "without a test that ran"),
    ],
)
def test_a_part_that_did_not_do_its_work_fails_the_check(tmp_path, end, log, ended):
    write(tmp_path, "kernels", "0 9 60")
    write(tmp_path, "tests", end, log)
    report = gather(tmp_path)
    assert not report["ok"]
    assert report["parts"]["tests"]["ended"] == ended
    assert report["parts"]["tests"]["log"] == log


def test_a_check_without_parts_is_none(tmp_path):
    assert not gather(tmp_path)["ok"]


def test_a_part_that_the_machine_cannot_run_is_told_and_fails_nothing(tmp_path):
    script = [REPOSITORY / "benchmarks" / "gpu_check.sh", tmp_path, "--dry-run"]
    surroundings = {**os.environ, "PYTHON": "true"}  # all parts that run end well
    subprocess.run(script, env=surroundings, check=True, capture_output=True)
    report = gather(tmp_path)
    assert report["ok"]
    assert set(report["parts"]) == {"imports", "tests", "kernels", "rates", "sanitizer"}
    assert report["parts"]["sanitizer"] == {"ended": "left out", "reason": "a dry run has no GPU"}


def test_a_check_of_left_out_parts_is_none(tmp_path):
    (tmp_path / "sanitizer.left_out").write_text("there is none")
    assert not gather(tmp_path)["ok"]
