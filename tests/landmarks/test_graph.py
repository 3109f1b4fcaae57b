"""Networks as lists of operations: converted with the numbers of the original."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from itportrait.errors import CheckpointError, MissingModelError
from itportrait.landmarks.graph import GraphNetwork, GraphPlan, GraphStep, write_graph
from itportrait.published.mediapipe import convert_mediapipe
from tests.helpers.tflite_files import SAME, NetworkFile, convolution, small_network


@pytest.fixture
def convert(tmp_path):
    def convert_file(data):
        (tmp_path / "net.tflite").write_bytes(data)
        convert_mediapipe(tmp_path / "net.tflite", tmp_path / "net.safetensors")
        return GraphNetwork.load(tmp_path / "net.safetensors")

    return convert_file


def test_a_converted_network_computes_what_its_operations_say(convert):
    data, weights = small_network()
    network = convert(data)
    assert network.plan.size == (9, 9)
    w = {name: torch.from_numpy(values.astype(np.float32)) for name, values in weights.items()}
    image = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    # Of "same" with 9 pixels, 3 wide and every second: one before and one after.
    x = F.conv2d(image, w["first"].permute(0, 3, 1, 2), w["first_bias"], 2, 1)
    x = torch.where(x < 0, w["slope"].reshape(-1, 1, 1) * x, x)
    x = x + F.conv2d(x, w["depth"].permute(3, 0, 1, 2), w["depth_bias"], 1, 1, groups=4)
    x = F.pad(F.max_pool2d(x, 2), (0, 0, 0, 0, 0, 2))
    last = F.conv2d(x, w["last"].permute(0, 3, 1, 2), w["last_bias"])
    found = network(image)
    torch.testing.assert_close(found[0], last.flatten(1))
    torch.testing.assert_close(found[1], x.permute(0, 2, 3, 1).flatten(1))


def test_same_padding_puts_the_odd_pixel_after(convert):
    file = NetworkFile()
    picture = file.tensor("picture", (1, 4, 4, 3))
    weight = file.constant(np.ones((1, 3, 3, 3), "float32"))
    bias = file.constant(np.zeros(1, "float32"))
    out = file.tensor("out", (1, 2, 2, 1))
    file.step("conv", [picture, weight, bias], out, convolution(SAME, 2))
    network = convert(file.data([picture], [out]))
    (found,) = network(torch.ones(1, 3, 4, 4))
    assert found.tolist() == [[27, 18, 18, 12]]  # nothing is missing at the left and top


def test_gradients_reach_the_picture(convert):
    network = convert(small_network()[0])
    image = torch.rand(1, 3, 9, 9, requires_grad=True)
    network(image)[0].sum().backward()
    assert image.grad is not None
    assert image.grad.abs().max() > 0


def test_other_files_are_refused(tmp_path):
    with pytest.raises(MissingModelError):
        GraphNetwork.load(tmp_path / "absent.safetensors")
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(1)}, str(path), metadata={"kind": "other"})
    with pytest.raises(CheckpointError, match="not a network with a list of operations"):
        GraphNetwork.load(path)
    save_file(
        {"a": torch.zeros(1)}, str(path), metadata={"kind": "graph-1", "graph": '{"size": 3}'}
    )
    with pytest.raises(CheckpointError, match="list of operations that cannot be read"):
        GraphNetwork.load(path)


@pytest.mark.parametrize(
    "step",
    [
        GraphStep("add", ("image", "absent"), "out", {}),
        GraphStep("unknown", ("image",), "out", {}),
        GraphStep("prelu", ("image",), "out", {}),
    ],
)
def test_operations_that_do_not_fit_are_named(step, tmp_path):
    write_graph(GraphPlan((4, 4), "image", ("out",), (step,)), {}, tmp_path / "n.safetensors")
    network = GraphNetwork.load(tmp_path / "n.safetensors")
    with pytest.raises(CheckpointError, match=f"operation 0 \\({step.operator}\\)"):
        network(torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize("shape", [(1, 8, 8, 1), (2, 8, 8, 3), (1, 64)])
def test_networks_of_something_else_are_refused(shape, convert):
    file = NetworkFile()
    number = file.tensor("picture", shape)
    with pytest.raises(CheckpointError, match="instead of a picture"):
        convert(file.data([number], [number]))
