import subprocess
import sys
import threading
import time

import pytest

from itportrait.on_ray.fits import RayEndsError, fitting, leave_fits
from tests.conftest import REPOSITORY


def test_threads_leave_their_fits():
    seen, begun = [], threading.Event()

    def train():
        try:
            with fitting():
                begun.set()
                while True:
                    time.sleep(0.005)
        except RayEndsError as error:
            seen.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    begun.wait()
    leave_fits(10.0)
    thread.join(10)
    assert len(seen) == 1
    leave_fits(10.0)  # nothing is left to wait for


def test_a_fit_of_the_thread_that_ends_is_left_alone():
    with fitting():
        leave_fits(0.0)


@pytest.mark.slow
def test_a_training_in_a_thread_lets_go_of_ray_before_it_ends():
    """In a process of its own: a Ray that the tests share already is not ended by a session."""
    code = (
        "import contextlib, threading, ray\n"
        "from itportrait.on_ray.fits import RayEndsError, fitting\n"
        "from itportrait.on_ray.session import ray_session\n"
        "begun = threading.Event()\n"
        "def train():\n"
        "    try:\n"
        "        with fitting():\n"
        "            while True:\n"
        "                with contextlib.suppress(Exception):  # as one that is tried again\n"
        "                    ray.put(1)\n"
        "                begun.set()\n"
        "    except RayEndsError:\n"
        "        print('left', ray.is_initialized())\n"
        "with ray_session('local', num_cpus=1):\n"
        "    thread = threading.Thread(target=train, daemon=True)\n"
        "    thread.start()\n"
        "    assert begun.wait(60)\n"
        "thread.join(10)\n"
        "print('ended', thread.is_alive())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, timeout=300
    )
    assert (done.returncode, done.stdout.splitlines()) == (0, ["left True", "ended False"]), done
