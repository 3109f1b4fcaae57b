"""Files of what portraits change in a generator's weights: in full, of low rank, damaged."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save

from itportrait.errors import CheckpointError
from itportrait.records import InvertedRecord
from itportrait.styles import Codes, PreparedGenerator, WeightDelta
from tests.helpers.tiny_family import tiny_generator


def low_rank(rows, columns, rank, seed=0):
    rng = torch.Generator().manual_seed(seed)
    up = torch.randn(rows, rank, generator=rng)
    return up @ torch.randn(rank, columns, generator=rng) * 0.01


@pytest.fixture
def changes():
    return {
        "conv.weight": low_rank(40, 30 * 9, 3).view(40, 30, 3, 3),
        "conv.bias": torch.linspace(-0.01, 0.01, 40),
        "small.weight": torch.full((2, 3), 0.25),
        "strength": torch.tensor(0.5),
    }


def test_differences_come_back_in_half_precision(changes):
    back = WeightDelta.from_bytes(WeightDelta(changes).to_bytes()).changes
    assert set(back) == set(changes)
    for name, change in changes.items():
        assert back[name].dtype == torch.float32
        torch.testing.assert_close(back[name], change.half().float())


def test_a_matrix_of_the_rank_loses_nothing_but_digits_and_takes_a_twelfth(changes):
    changes["conv.weight"][:, 0] *= 1e-6  # parts of very different size
    full, low = WeightDelta(changes).to_bytes(), WeightDelta(changes, rank=3).to_bytes()
    assert len(low) < len(full) / 12
    back = WeightDelta.from_bytes(low).changes
    for name, change in changes.items():
        assert back[name].shape == change.shape
        assert (back[name] - change).norm() < 0.01 * change.norm()


def test_a_difference_of_zero_stays_zero():
    changes = {"conv.weight": torch.zeros(40, 30, 3, 3)}
    back = WeightDelta.from_bytes(WeightDelta(changes, rank=3).to_bytes()).changes
    assert torch.equal(back["conv.weight"], changes["conv.weight"])


def test_files_of_the_first_format_are_read():
    """They hold both factors in half precision, and no scales."""
    rng = torch.Generator().manual_seed(0)
    up, down = torch.randn(4, 2, generator=rng).half(), torch.randn(2, 27, generator=rng).half()
    tensors = {"conv.weight:up": up, "conv.weight:down": down, "conv.bias": torch.ones(4).half()}
    data = save(tensors, {"itportrait-delta-1": json.dumps({"conv.weight": [4, 3, 3, 3]})})
    back = WeightDelta.from_bytes(data).changes
    torch.testing.assert_close(back["conv.weight"], (up.float() @ down.float()).view(4, 3, 3, 3))
    torch.testing.assert_close(back["conv.bias"], torch.ones(4))


def test_a_matrix_of_a_higher_rank_keeps_its_largest_part(changes):
    noise = 1e-3 * torch.randn(40, 30, 3, 3, generator=torch.Generator().manual_seed(1))
    changes["conv.weight"] = changes["conv.weight"] + noise
    back = WeightDelta.from_bytes(WeightDelta(changes, rank=3).to_bytes()).changes
    error = (back["conv.weight"] - changes["conv.weight"]).norm()
    assert error < 1.1 * noise.norm()


def test_whether_it_fades_in_styles_comes_back(changes):
    assert WeightDelta.from_bytes(WeightDelta(changes, 3, fades=True).to_bytes()).fades
    assert not WeightDelta.from_bytes(WeightDelta(changes, 3).to_bytes()).fades


def test_the_same_differences_give_the_same_bytes(changes):
    more = {**changes, "other.weight": changes["conv.weight"].clone()}
    assert len({WeightDelta(more, 3).to_bytes() for _ in range(8)}) == 1


def test_what_is_no_such_file_is_refused(changes):
    data = WeightDelta(changes, 3).to_bytes()
    with pytest.raises(CheckpointError, match="weights of portrait 7"):
        WeightDelta.from_bytes(data[: len(data) // 2], source="weights of portrait 7")
    with pytest.raises(CheckpointError, match="not a difference of weights"):
        WeightDelta.from_bytes(data.replace(b"itportrait-delta-2", b"itportrait-delta-9"))
    with pytest.raises(CheckpointError, match=r"factors of conv\.weight do not fit"):
        WeightDelta.from_bytes(data.replace(b"40, 30, 3, 3", b"40, 30, 3, 9"))
    short = data.replace(b'scale":{"dtype":"F32","shape":[3]', b'scale":{"dtype":"F16","shape":[6]')
    assert short != data
    with pytest.raises(CheckpointError, match=r"factors of conv\.weight do not fit"):
        WeightDelta.from_bytes(short)


def test_records_bring_their_differences_to_what_is_rendered():
    generator = tiny_generator()
    size = generator.num_ws * generator.w_dim
    bias = torch.zeros_like(generator.get_parameter("superresolution.block1.torgb.bias")) + 0.5
    delta = WeightDelta({"superresolution.block1.torgb.bias": bias}).to_bytes()
    camera = np.array([1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 2.7, 0, 0, 0, 1], np.float32)
    camera = np.append(camera, np.array([4.2647, 0, 0.5, 0, 4.2647, 0.5, 0, 0, 1], np.float32))
    plain = InvertedRecord(record_id="a", w_plus=np.zeros(size, np.float32), camera=camera)
    tuned = InvertedRecord(
        record_id="b", w_plus=np.zeros(size, np.float32), camera=camera, weights=delta
    )
    assert Codes.of([plain], generator).deltas is None
    codes = Codes.of([plain, tuned], generator)
    first, second = PreparedGenerator(generator).render(codes).image
    torch.testing.assert_close(second, first + 0.5, atol=1e-3, rtol=1e-3)
