import contextlib
import threading
import time

import pytest
import ray

from itportrait.on_ray.fits import RayEndsError, fitting, leave_fits
from itportrait.on_ray.session import ray_session


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
    seen, begun = [], threading.Event()

    def train():
        try:
            with fitting():
                while True:
                    with contextlib.suppress(Exception):  # as one that is tried again
                        ray.put(1)
                    begun.set()
        except RayEndsError:
            seen.append(ray.is_initialized())

    with ray_session("local", num_cpus=1):
        thread = threading.Thread(target=train)
        thread.start()
        assert begun.wait(60)
    thread.join(10)
    assert seen == [True]
