"""Ray on this machine, wherever its folders lie."""

import os
import subprocess
import sys

import pytest

from itportrait.errors import InvalidArgumentError
from itportrait.on_ray import session
from tests.conftest import REPOSITORY
from tests.helpers.odd_names import NOT_UTF8, ODD_NAMES


@pytest.mark.parametrize("name", [*ODD_NAMES, *NOT_UTF8, "a/" * 30])
def test_a_folder_that_ray_could_not_use_is_not_chosen(name, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / name))
    monkeypatch.setenv("RAY_TMPDIR", "")
    session._choose_temporary_folder()
    assert os.environ["RAY_TMPDIR"] in ("/tmp", "/var/tmp", "/dev/shm")


def test_a_plain_folder_is_kept(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "")
    monkeypatch.setenv("TMPDIR", "/var/tmp")
    session._choose_temporary_folder()
    assert os.environ["RAY_TMPDIR"] == "/var/tmp"


def test_none_is_one_sentence(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "")
    monkeypatch.setenv("TMPDIR", "/" + os.fsdecode(b"\xff"))
    monkeypatch.setattr(session.os, "access", lambda *_: False)
    with pytest.raises(InvalidArgumentError, match=r"TMPDIR must be .*\\xff.*RAY_TMPDIR"):
        session._choose_temporary_folder()


@pytest.mark.slow
def test_ray_starts_with_bytes_in_folder_and_command_line(tmp_path):
    """Tasks take and give such names; an error that holds one does not end its process.

    Whoever asks for a task after the session has ended is refused, and starts no other Ray.
    """
    code = (
        "import os, sys\n"
        "from itportrait.execution.executor import Call\n"
        "from itportrait.on_ray.session import ray_session\n"
        "from itportrait.on_ray.tasks import RayExecutor\n"
        "from itportrait.text import show_any_text\n"
        "from tests.on_ray.test_session import give_back\n"
        "show_any_text()\n"
        "with ray_session(num_cpus=1):\n"
        "    ray = RayExecutor()\n"
        "    here = os.getcwd()\n"
        "    call = lambda *args: ray.result(ray.submit(Call(function=give_back, args=args)))\n"
        "    print(here == sys.argv[1] == call(here))\n"
        "    try:\n"
        "        call(here, True)\n"
        "    except OSError as error:\n"
        "        print(error.strerror)\n"
        "try:\n"
        "    call(here)\n"
        "except Exception as error:\n"
        "    print('not' in str(error) and 'Ray' in str(error))\n"
    )
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, folder],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
    )
    expected = ["True", rf"no {tmp_path}/caf\xe9", "True"]
    assert done.stdout.splitlines() == expected, done.stderr[-3000:]


@pytest.mark.slow
def test_ray_starts_although_its_helpers_take_longer_than_it_waits_for_them(tmp_path):
    """As on a busy machine, where they need more than its 15 s to import what they need."""
    late = "import sys, time\nif any('agent' in text for text in sys.orig_argv): time.sleep(17)\n"
    (tmp_path / "sitecustomize.py").write_text(late)
    code = (
        "from itportrait.execution.executor import Call\n"
        "from itportrait.on_ray.session import ray_session\n"
        "from itportrait.on_ray.tasks import RayExecutor\n"
        "with ray_session(num_cpus=1):\n"
        "    ray = RayExecutor()\n"
        "    print(ray.result(ray.submit(Call(function=abs, args=(-1,)))))\n"
    )
    path = os.pathsep.join([str(tmp_path), str(REPOSITORY)])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "1\n", done.stderr[-3000:]
    assert "Ray did not start, as on a busy machine; try 2 of 4" in done.stderr


def give_back(name, fail=False):
    """Return the name, or raise an error that holds it."""
    if fail:
        raise FileNotFoundError(2, f"no {name}")
    return name


@pytest.mark.slow
def test_a_ray_that_does_not_answer_is_ended(tmp_path):
    code = """
import os, signal
import psutil
from itportrait.on_ray import session

session.connect(num_cpus=1)
parts = [
    part
    for part in psutil.Process().children(recursive=True)
    if part.name() in ("gcs_server", "raylet")  # what stands beside them ends by itself, later
]
(head,) = [part for part in parts if part.name() == "gcs_server"]
os.kill(head.pid, signal.SIGSTOP)
session.end(patience_s=3)
print("ended", [part.pid for part in psutil.wait_procs(parts, timeout=30)[1]])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.strip().endswith("ended []"), done.stdout + done.stderr[-2000:]
