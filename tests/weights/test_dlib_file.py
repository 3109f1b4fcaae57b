"""Networks of dlib's: read whole, within bounds, and refused where they are damaged."""

import contextlib

import numpy as np
import pytest
import torch

from itportrait.errors import CheckpointError, MissingModelError
from itportrait.weights.dlib_file import open_dlib_network
from tests.helpers.dlib_files import integer, layer, real, small_network, tensor, whole


@pytest.fixture(scope="module")
def file():
    return small_network()


def opened(path, data):
    path.write_bytes(data)
    return open_dlib_network(path)


def test_layers_and_values_are_read_as_written(file, tmp_path):
    data, convolutions, head = file
    with opened(tmp_path / "net.dat", data) as network:
        assert network.mean == pytest.approx((122.782, 117.001, 104.298), abs=1e-4)
        assert (network.height, network.width) == (150, 150)
        kinds = [each.kind for each in network.layers]
        assert kinds[:6] == ["con", "affine", "relu", "max_pool", "mark", "con"]
        assert kinds[-2:] == ["avg_pool", "fc"]
        assert network.layers[0].sizes == (4, 7, 7, 2, 2, 0, 0)
        weight, bias, factor, addend = convolutions[0]
        first, second = (network.layers[row].values.read() for row in (0, 1))
        assert torch.equal(first, torch.as_tensor([*weight.ravel(), *bias]))
        assert torch.equal(second, torch.as_tensor(np.concatenate([factor, addend])))
        assert torch.equal(network.layers[-1].values.read(), torch.as_tensor(head).flatten())


def test_every_shorter_file_and_a_longer_one_are_refused(file, tmp_path):
    data = file[0]
    path = tmp_path / "net.dat"
    for end in (*range(0, 400, 7), *range(400, len(data), 997), len(data) - 1):
        with pytest.raises(CheckpointError, match=r"net\.dat"), opened(path, data[:end]):
            pass
    with pytest.raises(CheckpointError, match="1 bytes belong to no layer"):
        opened(path, data + b"0").__enter__()


def test_damaged_bytes_raise_nothing_else(file, tmp_path):
    data, path = file[0], tmp_path / "net.dat"
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(data)
        damaged[rng.integers(400) if rng.random() < 0.7 else rng.integers(len(data))] = (
            rng.integers(256)
        )
        with contextlib.suppress(CheckpointError), opened(path, bytes(damaged)) as network:
            assert len(network.layers) < 100


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "truncated"),
        (integer(1) + integer(12) + b"loss_softmax", "is no such network: 'loss_softmax'"),
        (whole([layer("dropout_")]), "unknown kind: 'dropout_'"),
        (whole([layer("con_4", tensor([]) + b"\x09")]), "a number of 9 bytes"),
        (whole([layer("affine_", integer(2) + integer(1 << 40) * 4)]), "a size of"),
        (whole([layer("affine_", integer(2) + integer(1 << 30) * 4)]), "are said to follow"),
        (whole([layer("relu_")])[:-50] + real(1.0), "truncated"),
    ],
)
def test_what_is_no_such_network_is_named(data, words, tmp_path):
    with pytest.raises(CheckpointError, match=words):
        opened(tmp_path / "net.dat", data).__enter__()


def test_a_missing_file(tmp_path):
    with pytest.raises(MissingModelError, match="no network at"):
        open_dlib_network(tmp_path / "absent.dat").__enter__()
