import pytest
import torch
from torch import nn

from itportrait.errors import InvalidArgumentError
from itportrait.learning.schedule import cosine, draw_batch, update_average


def test_batches_pass_over_all_rows_once_an_epoch():
    epoch = torch.cat([draw_batch(10, 3, step, seed=1) for step in range(3)])
    assert len(epoch.unique()) == 9
    assert not torch.equal(draw_batch(10, 3, 0, seed=1), draw_batch(10, 3, 3, seed=1))
    with pytest.raises(InvalidArgumentError, match="batch size must be at most the 2 rows"):
        draw_batch(2, 3, 0, seed=1)


def test_cosine_holds_then_falls_to_the_floor():
    assert cosine(0.2, hold=0.3) == 1
    assert cosine(1.0, hold=0.3) == pytest.approx(0.02)
    assert cosine(0.65, hold=0.3) == pytest.approx(0.51)


def test_the_average_follows_and_buffers_are_copied():
    module, average = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    with torch.no_grad():
        module.weight.fill_(3.0)
        module.running_mean.fill_(5.0)
    update_average(average, module, step=10_000, limit=0.9)
    assert torch.allclose(average.weight, torch.full((2,), 1.2))
    assert torch.equal(average.running_mean, module.running_mean)
