"""Networks of TensorFlow Lite as data: read whole, and refused where they are damaged."""

import numpy as np
import pytest

from itportrait.errors import CheckpointError, MissingModelError
from itportrait.weights.tflite_file import read_tflite
from tests.helpers.tflite_files import NetworkFile, flatbuffer, number, small_network


@pytest.fixture
def write(tmp_path):
    def write_file(data):
        (tmp_path / "net.tflite").write_bytes(data)
        return tmp_path / "net.tflite"

    return write_file


def test_tensors_operations_and_values_are_read(write):
    data, weights = small_network()
    network = read_tflite(write(data))
    assert [step.operator for step in network.steps if step.operator != "dequantize"] == [
        "conv", "prelu", "depthwise", "add", "max_pool", "pad", "conv", "reshape",
    ]  # fmt: skip
    stored = [t.values for t in network.tensors if t.values is not None and t.values.ndim == 4]
    np.testing.assert_array_equal(stored[0], weights["first"])
    assert stored[0].dtype == np.float16
    conv = next(step for step in network.steps if step.operator == "conv")
    assert conv.options == {
        "padding": 0, "stride_x": 2, "stride_y": 2, "dilation_x": 1, "dilation_y": 1,
    }  # fmt: skip
    assert [network.tensors[n].shape for n in network.inputs] == [(1, 9, 9, 3)]
    assert [network.tensors[n].name for n in network.outputs] == ["g", "h"]


def test_other_files_are_refused(write, tmp_path):
    with pytest.raises(MissingModelError, match="no network at"):
        read_tflite(tmp_path / "absent.tflite")
    for data in (b"", b"PK\3\4 an archive", flatbuffer({}, b"TFL2")):
        with pytest.raises(CheckpointError, match="is no network of TensorFlow Lite"):
            read_tflite(write(data))
    with pytest.raises(CheckpointError, match="has 0 graphs, expected one"):
        read_tflite(write(flatbuffer({0: number("I", 3)})))


def test_what_is_not_known_is_named(write):
    file = NetworkFile()
    picture = file.tensor("picture", (1, 2, 2, 3))
    file.step("softmax", [picture], file.tensor("out", (1, 2, 2, 3)))
    with pytest.raises(CheckpointError, match=r"the operator 25, known here are 0 \(add\), 3"):
        read_tflite(write(file.data([0], [1])))
    file = NetworkFile()
    file.step("add", [file.tensor("a", (1,))] * 2, file.tensor("b", (1,)), {0: number("b", 1)})
    with pytest.raises(CheckpointError, match="add has an activation in it"):
        read_tflite(write(file.data([0], [1])))
    file = NetworkFile()
    file.tensor("wide", (2,), kind="int64")
    with pytest.raises(CheckpointError, match="not read here: type 4 of 'wide'"):
        read_tflite(write(file.data([0], [0])))


def test_sizes_are_compared_with_what_the_file_has(write):
    file = NetworkFile()
    file.tensor("large", (1 << 20, 1 << 20))
    with pytest.raises(CheckpointError, match="'large' of the shape"):
        read_tflite(write(file.data([0], [0])))
    file = NetworkFile()
    file.tensor("short", (9,), np.zeros(8, "float32"))
    with pytest.raises(CheckpointError, match="'short' has 32 bytes, not 36"):
        read_tflite(write(file.data([0], [0])))
    file = NetworkFile()
    file.tensor("one", (1,))
    with pytest.raises(CheckpointError, match="names tensors that it does not have"):
        read_tflite(write(file.data([0], [1])))


def test_damaged_files_are_refused_or_read(write):
    """Whatever a file holds, nothing but a reader's own error comes out."""
    data, _ = small_network()
    refused = 0
    rng = np.random.default_rng(0)
    for length in range(8, len(data), 23):
        with pytest.raises(CheckpointError):
            read_tflite(write(data[:length]))
    for _ in range(300):
        broken = bytearray(data)
        for place in rng.integers(8, len(data), 4):
            broken[place] = rng.integers(256)
        try:
            read_tflite(write(bytes(broken)))
        except CheckpointError:
            refused += 1
    assert refused > 50
