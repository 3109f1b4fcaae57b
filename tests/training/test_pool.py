"""How many trainings fit at once, and that the others wait."""

import threading

import pytest

from itportrait.training.domain_job import TrainConfig
from itportrait.training.pool import TrainingPool, gpus_per_worker


@pytest.mark.parametrize(
    ("train", "cores", "gpus", "limit"),
    [
        ({}, 4, 0, 4),
        ({}, 4, 2, 2),
        ({"num_workers": 2, "cpus_per_worker": 2}, 9, 0, 2),
        ({"num_workers": 2}, 16, 3, 1),
        ({"gpus_per_worker": 0.5}, 16, 2, 4),
        ({"gpus_per_worker": 0}, 3, 2, 3),
        ({"max_concurrent": 2}, 8, 0, 2),
        ({"cpus_per_worker": 8}, 2, 0, 1),
    ],
)
def test_as_many_at_once_as_fit_and_never_none(train, cores, gpus, limit):
    assert TrainingPool(TrainConfig(**train), cores=cores, gpus=gpus).limit == limit


def test_a_worker_takes_a_gpu_where_there_is_one_unless_told_otherwise():
    assert gpus_per_worker(TrainConfig(), 4) == 1
    assert gpus_per_worker(TrainConfig(), 0) == 0
    assert gpus_per_worker(TrainConfig(gpus_per_worker=0.25), 0) == 0.25


def test_what_does_not_fit_waits_and_an_error_is_its_own():
    pool = TrainingPool(TrainConfig(max_concurrent=1), cores=2, gpus=0)
    began, go_on = threading.Event(), threading.Event()
    order = []

    def first() -> str:
        began.set()
        assert go_on.wait(30)
        order.append("first")
        return "trained"

    def second() -> None:
        order.append("second")
        raise ValueError("a defect")

    one = pool.submit(first, "one")
    assert began.wait(30)
    two = pool.submit(second, "two")
    assert order == []
    go_on.set()
    assert one.result(30) == "trained"
    with pytest.raises(ValueError, match="a defect"):
        two.result(30)
    assert order == ["first", "second"]
