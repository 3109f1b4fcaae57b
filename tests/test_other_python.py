"""`other_python.sh` tells a machine without another Python from every other failure."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "other_python.sh"


def run_with(folder, uv):
    """Run the script beside a `uv` that is these lines of shell; None: beside none."""
    (folder / "tests").mkdir()
    shutil.copy(SCRIPT, folder / "tests")
    if uv is not None:
        (folder / ".venv" / "bin").mkdir(parents=True)
        program = folder / ".venv" / "bin" / "uv"
        program.write_text(f"#!/bin/sh\n[ $1 = --version ] && exit 0\n{uv}\n")
        program.chmod(0o755)
    script = folder / "tests" / SCRIPT.name
    return subprocess.run(["bash", str(script)], capture_output=True, text=True, timeout=60)


def test_a_machine_without_another_python_says_so(tmp_path):
    done = run_with(tmp_path, 'echo "error: No interpreter found for Python >=3.12" >&2; exit 2')
    assert (done.returncode, "nothing was tried on one" in done.stdout) == (0, True), done.stderr
    assert "No interpreter found" in done.stderr


@pytest.mark.parametrize(
    ("uv", "said"),
    [
        ('echo "error: Failed to initialize cache" >&2; exit 2', "Failed to initialize cache"),
        ("kill -9 $$", ""),
        (None, "uv"),
    ],
)
def test_any_other_failure_of_uv_fails_and_is_shown(tmp_path, uv, said):
    done = run_with(tmp_path, uv)
    assert done.returncode != 0
    assert said in done.stderr
    assert "nothing was tried" not in done.stdout


def test_the_words_are_those_of_the_uv_that_is_used():
    uv = SCRIPT.parents[1] / ".venv" / "bin" / "uv"
    if not uv.exists():
        pytest.skip("this environment has no uv")
    find = [str(uv), "python", "find", "--system", "--no-python-downloads", ">=3.99"]
    done = subprocess.run(find, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "\nerror: No interpreter found" in f"\n{done.stderr}"
