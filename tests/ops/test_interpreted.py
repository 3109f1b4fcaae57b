"""All tests of Triton kernels on a CPU, by Triton's interpreter, in a process of its own.

The interpreter replaces Triton's language when kernels are first imported, so no other test may run
in the same process.
"""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("tests/ops", "tests/generator/test_volume.py")
"""Where tests of kernels are; all of them have the marker `gpu`."""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
def test_kernels_agree_with_their_references_under_the_interpreter():
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu and not slow", *PLACES]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-p", "no:xdist"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    report = done.stdout[-6000:] + done.stderr[-2000:]
    assert done.returncode == 0, report
    passed = re.search(r"(\d+) passed", report)
    assert passed, report
    assert int(passed[1]) >= 19, report
    skipped = [line for line in report.splitlines() if line.startswith("SKIPPED")]
    assert all("needs a real GPU" in line for line in skipped), report
