"""Damaged archives, tables and lists: rows or documented errors, no hang, and little memory.

A few hundred of each kind here; ten thousand in the slow suite.
"""

import json
import subprocess
import sys

import pytest

MOST_MB = 512
MOST_S = 5


def fuzz(kind: str, count: int, seed: int) -> dict:
    """Look at damaged files in a process of its own, so that a hang or crash is seen as one."""
    command = [sys.executable, "-m", "tests.ingest.fuzz_listing", kind, str(count), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    about = json.loads(done.stdout)
    print(kind, count, about)
    return about


def check(about: dict, kind: str, count: int) -> None:
    found = about["found"]
    assert about["peak_mb"] < MOST_MB
    assert about["slowest_s"] < MOST_S
    if kind == "txt":
        assert found["listed"] > count
        return
    # The damage is felt, and most of what is whole is still read.
    assert found["unlisted"] > count / 10
    assert found["read"] > count


@pytest.mark.parametrize("kind", ["tar", "parquet", "txt"])
def test_damaged_files(kind):
    check(fuzz(kind, 300, seed=0), kind, 300)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", ["tar", "parquet", "txt"])
def test_ten_thousand_damaged_files(kind):
    check(fuzz(kind, 10_000, seed=1), kind, 10_000)
