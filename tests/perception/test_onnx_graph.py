"""ONNX networks in PyTorch: equal to onnxruntime, differentiable, and bounded before they run."""

import builtins

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from itportrait.errors import CheckpointError, MissingModelError
from itportrait.perception.onnx_file import read_graph
from itportrait.perception.onnx_graph import OnnxNetwork
from itportrait.perception.onnx_operators import OPERATORS
from tests.helpers.mutations import mutations
from tests.helpers.onnx_files import draw, face_network, model, node, write

ints = lambda *values: np.array(values, np.int64)  # noqa: E731
SMALL = node("AveragePool", "x", "s", kernel_shape=[8, 8], strides=[8, 8])  # [N, 3, 14, 14]

CASES = {
    "Abs": [node("Abs", "s", "z")],
    "Add": ([node("Add", "s k", "z")], {"k": draw(3, 1, 1)}),
    "AveragePool": [
        node("AveragePool", "s", "z", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    ],
    "AveragePool with its padding": [
        node("AveragePool", "s", "z", kernel_shape=[3, 2], pads=[1, 0, 0, 1], count_include_pad=1)
    ],
    "BatchNormalization": (
        [node("BatchNormalization", "s a b c d", "z", epsilon=1e-3)],
        {name: draw(3, seed=at, low=0.1) for at, name in enumerate("abcd")},
    ),
    "Cast": [node("Cast", "s", "i", to=7), node("Cast", "i", "z", to=1)],
    "Clip": ([node("Clip", "s low high", "z")], {"low": np.float32(-0.1), "high": np.float32(0.1)}),
    "Clip above": ([node("Clip", "s  high", "z")], {"high": np.float32(0.05)}),
    "Concat": [node("Concat", "s s", "z", axis=-1)],
    "Constant": [
        node("Constant", "", "k", value=numpy_helper.from_array(draw(14))),
        node("Mul", "s k", "z"),
    ],
    "Constant of a number": [
        node("Constant", "", "k", value_float=0.5),
        node("Constant", "", "a", value_ints=[2, 3]),
        node("Mul", "s k", "m"),
        node("ReduceMean", "m", "z", axes=[2, 3]),
    ],
    "ConstantOfShape": (
        [
            node("ConstantOfShape", "n", "k", value=numpy_helper.from_array(draw(1))),
            node("Mul", "s k", "z"),
        ],
        {"n": ints(3, 1, 14)},
    ),
    "Conv": (
        [node("Conv", "s w b", "z", strides=[2, 1], pads=[1, 0, 1, 0], dilations=[1, 2])],
        {"w": draw(4, 3, 3, 3), "b": draw(4)},
    ),
    "Conv in groups": (
        [node("Conv", "s w", "z", group=3, pads=[2, 1, 0, 1])],
        {"w": draw(6, 1, 3, 3)},
    ),
    "Div": ([node("Div", "s k", "z")], {"k": np.float32(127.5)}),
    "Div of whole numbers": (
        [
            node("Shape", "s", "n"),
            node("Gather", "n two", "h"),
            node("Div", "h minus", "d"),
            node("Cast", "d", "f", to=1),
            node("Mul", "s f", "z"),
        ],
        {"two": ints(2), "minus": ints(-4)},
    ),
    "Dropout": [node("Dropout", "s", "z")],
    "Elu": [node("Elu", "s", "z", alpha=0.7)],
    "Erf": [node("Erf", "s", "z")],
    "Exp": [node("Exp", "s", "z")],
    "Expand": (
        [node("ReduceMean", "s", "m", axes=[2, 3]), node("Expand", "m n", "z")],
        {"n": ints(1, 3, 5, 1)},
    ),
    "Flatten": (
        [node("Flatten", "s", "f", axis=2), node("Reshape", "f k", "z")],
        {"k": ints(-1, 588)},
    ),
    "Gather": ([node("Gather", "s k", "z", axis=3)], {"k": ints(0, -1, 5)}),
    "Gemm": (
        [node("Flatten", "s", "f"), node("Gemm", "f k b", "z", alpha=0.5, beta=2.0)],
        {"k": draw(588, 4), "b": draw(4)},
    ),
    "GlobalAveragePool": [node("GlobalAveragePool", "s", "z")],
    "GlobalMaxPool": [node("GlobalMaxPool", "s", "z")],
    "HardSigmoid": [node("HardSigmoid", "s", "z", alpha=0.3, beta=0.4)],
    "HardSwish": [node("HardSwish", "s", "z")],
    "Identity": [node("Identity", "s", "z")],
    "InstanceNormalization": (
        [node("InstanceNormalization", "s a b", "z", epsilon=1e-3)],
        {"a": draw(3), "b": draw(3, seed=2)},
    ),
    "LayerNormalization": (
        [node("LayerNormalization", "s a b", "z", axis=-1)],
        {"a": draw(14), "b": draw(14, seed=2)},
    ),
    "LeakyRelu": [node("LeakyRelu", "s", "z", alpha=0.2)],
    "Log": [node("Exp", "s", "e"), node("Log", "e", "z")],
    "LpNormalization": [node("LpNormalization", "s", "z", axis=1, p=2)],
    "MatMul": ([node("MatMul", "s k", "z")], {"k": draw(14, 5)}),
    "Max": ([node("Max", "s k", "z")], {"k": np.float32(0.02)}),
    "MaxPool": [node("MaxPool", "s", "z", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])],
    "MaxPool up to the edge": [
        node("MaxPool", "s", "z", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    ],
    "Mean": ([node("Mean", "s k", "z")], {"k": draw(14)}),
    "Min": ([node("Min", "s k", "z")], {"k": np.float32(0.02)}),
    "Mul": ([node("Mul", "s k", "z")], {"k": draw(14)}),
    "Neg": [node("Neg", "s", "z")],
    "PRelu": ([node("PRelu", "s k", "z")], {"k": draw(3, 1, 1)}),
    "Pad": (
        [node("Pad", "s n v", "z")],
        {"n": ints(0, 0, 1, 2, 0, 1, 0, 3), "v": np.float32(0.5)},
    ),
    "Pow": ([node("Pow", "s k", "z")], {"k": np.float32(2)}),
    "Reciprocal": [node("Exp", "s", "e"), node("Reciprocal", "e", "z")],
    "ReduceL2": [node("ReduceL2", "s", "z", axes=[1], keepdims=0)],
    "ReduceMax": [node("ReduceMax", "s", "z", axes=[-1])],
    "ReduceMean": [node("ReduceMean", "s", "z", axes=[2, 3], keepdims=0)],
    "ReduceMin": [node("ReduceMin", "s", "z", axes=[2])],
    "ReduceSum": ([node("ReduceSum", "s k", "z")], {"k": ints(1, 2)}),
    "Relu": [node("Relu", "s", "z")],
    "Reshape": ([node("Reshape", "s k", "z")], {"k": ints(0, -1, 7)}),
    "Reshape by what the picture has": (
        [
            node("Shape", "s", "n"),
            node("Slice", "n zero one", "b"),
            node("Concat", "b rest", "r", axis=0),
            node("Reshape", "s r", "z"),
        ],
        {"zero": ints(0), "one": ints(1), "rest": ints(-1)},
    ),
    "Sigmoid": [node("Sigmoid", "s", "z")],
    "Slice": (
        [node("Slice", "s a b c d", "z")],
        {"a": ints(1, -5), "b": ints(9, 2**40), "c": ints(2, 3), "d": ints(2, 1)},
    ),
    "Softmax": [node("Softmax", "s", "z", axis=1)],
    "Softplus": [node("Softplus", "s", "z")],
    "Split": ([node("Split", "s k", "u z", axis=1)], {"k": ints(1, 2)}),
    "Sqrt": [node("Exp", "s", "e"), node("Sqrt", "e", "z")],
    "Squeeze": ([node("GlobalMaxPool", "s", "g"), node("Squeeze", "g k", "z")], {"k": ints(2, -1)}),
    "Sub": ([node("Sub", "s k", "z")], {"k": np.float32(0.5)}),
    "Sum": [node("Sum", "s s s", "z")],
    "Tanh": [node("Tanh", "s", "z")],
    "Transpose": [node("Transpose", "s", "z", perm=[0, 2, 3, 1])],
    "Unsqueeze": ([node("Unsqueeze", "s k", "z")], {"k": ints(1, -1)}),
}
OF_OTHER_VERSIONS = {
    "Clip": (10, [node("Clip", "s", "z", min=-0.1, max=0.1)]),
    "Gelu": (20, [node("Gelu", "s", "z", approximate="tanh")]),
    "Pad": (10, [node("Pad", "s", "z", pads=[0, 0, 1, 0, 0, 0, 0, 2], value=1.0)]),
    "ReduceMean": (18, [node("Constant", "", "k", value_ints=[1]), node("ReduceMean", "s k", "z")]),
    "Slice": (9, [node("Slice", "s", "z", starts=[1], ends=[5], axes=[3])]),
    "Softmax": (11, [node("Softmax", "s", "z", axis=1)]),
    "Split": (18, [node("Split", "s", "z u v", axis=3, num_outputs=3)]),
    "Squeeze": (11, [node("GlobalMaxPool", "s", "g"), node("Squeeze", "g", "z", axes=[3])]),
    "Unsqueeze": (
        11,
        [node("Unsqueeze", "s", "u", axes=[0, 2]), node("Squeeze", "u", "z", axes=[0, 2])],
    ),
}


def pictures(count=2):
    return torch.from_numpy(draw(count, 3, 112, 112, seed=9))


def compare(tmp_path, nodes, constants, opset=17):
    """Compute a network here and in onnxruntime."""
    nodes = [SMALL, *nodes, node("Flatten", "z", "y")]
    path = write(tmp_path / "x.onnx", nodes, constants, opset=opset)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    network = OnnxNetwork(path)
    image = pictures().requires_grad_()
    ours = network(image)
    (theirs,) = session.run(None, {"x": image.detach().numpy()})
    return image, ours, torch.from_numpy(theirs)


@pytest.mark.parametrize("name", CASES)
def test_operators_give_what_onnxruntime_gives(name, tmp_path):
    case = CASES[name]
    nodes, constants = case if isinstance(case, tuple) else (case, {})
    image, ours, theirs = compare(tmp_path, nodes, constants)
    assert ours.shape == theirs.shape
    assert torch.allclose(ours, theirs, atol=1e-5)
    if name != "Cast":
        (ours * theirs).sum().backward()
        assert image.grad is not None
        assert image.grad.abs().sum() > 0


@pytest.mark.parametrize("name", OF_OTHER_VERSIONS)
def test_operators_of_other_versions(name, tmp_path):
    opset, nodes = OF_OTHER_VERSIONS[name]
    _, ours, theirs = compare(tmp_path, nodes, {}, opset=opset)
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_every_operator_is_compared():
    assert set(OPERATORS) - {"Shape"} <= {name.split()[0] for name in (*CASES, *OF_OTHER_VERSIONS)}


def test_a_face_network_has_gradients_that_are_right(tmp_path):
    network = OnnxNetwork(write(tmp_path / "face.onnx", *face_network()))
    image = pictures(1).requires_grad_()
    direction = torch.from_numpy(draw(1, 3, 112, 112, seed=4))
    (gradient,) = torch.autograd.grad(network(image).square().sum(), image)
    step = 1e-2
    ahead, behind = (network(image + sign * step * direction).square().sum() for sign in (1, -1))
    expected = float((ahead - behind).detach() / (2 * step))
    assert float((gradient * direction).sum()) == pytest.approx(expected, rel=2e-2)
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_a_network_of_one_picture_takes_several_one_by_one(tmp_path):
    nodes, constants = face_network()
    free = OnnxNetwork(write(tmp_path / "free.onnx", nodes, constants))
    one = OnnxNetwork(write(tmp_path / "one.onnx", nodes, constants, picture=(1, 3, 112, 112)))
    fixed = [
        node("Flatten", "x", "f"),
        node("Reshape", "f k", "r"),
        node("ReduceMean", "r", "y", axes=[2], keepdims=0),
    ]
    bound = OnnxNetwork(write(tmp_path / "bound.onnx", fixed, {"k": ints(1, 3, -1)}))
    assert (free.one_by_one, one.one_by_one, bound.one_by_one) == (False, True, True)
    assert torch.allclose(free(pictures(3)), one(pictures(3)), atol=1e-5)
    assert bound(pictures(3)).shape == (3, 3)


def test_weights_in_half_and_double_precision(tmp_path):
    for kind in (np.float16, np.float64):
        constants = {"k": draw(37632, 2).astype(kind)}
        path = write(
            tmp_path / "x.onnx", [node("Flatten", "x", "f"), node("MatMul", "f k", "y")], constants
        )
        expected = pictures().flatten(1) @ torch.from_numpy(constants["k"].astype(np.float32))
        assert torch.allclose(OnnxNetwork(path)(pictures()), expected, atol=1e-4)


def test_what_torch_exports_is_read(tmp_path):
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, 2, 1),
        torch.nn.BatchNorm2d(8),
        torch.nn.PReLU(8),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 4),
    ).eval()
    torch.onnx.export(network, torch.zeros(1, 3, 112, 112), str(tmp_path / "x.onnx"), dynamo=False)
    with torch.no_grad():
        found = OnnxNetwork(tmp_path / "x.onnx")(pictures(3))
        assert torch.allclose(found, network(pictures(3)), atol=1e-5)


def changed(change):
    """Return the bytes of a face network after a change."""
    found = model(*face_network())
    change(found)
    return found.SerializeToString()


def in_another_file(found):
    tensor = found.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")


def bits(found):
    found.graph.initializer[0].raw_data = b"\0" * 7


def many(found):
    found.graph.initializer[0].dims[:] = [2**40, 2**40]


def foreign(found):
    found.graph.node[2].domain = "com.example"


def unknown(found):
    found.graph.node[2].op_type = "TfIdfVectorizer"


def loop(found):
    body = helper.make_graph([], "body", [], [])
    found.graph.node[2].attribute.append(helper.make_attribute("body", body))


def function(found):
    found.functions.add(name="f", domain="")


def two_inputs(found):
    found.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, (1,)))


def another_size(found):
    found.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 224


def endless(found):
    del found.graph.node[:]
    found.graph.node.extend([node("Flatten", "x", "y")] * 20_000)


REFUSED = {
    "data in another file": (in_another_file, "lie in another file"),
    "fewer bytes than its shape": (bits, "values in the file"),
    "a shape without end": (many, "values in the file"),
    "an operator of somebody's own": (foreign, "is not ONNX's own"),
    "an operator that is not known": (
        unknown,
        "operators TfIdfVectorizer, which are not known here",
    ),
    "a graph inside": (loop, "a graph of its own"),
    "functions": (function, "functions of its own"),
    "two inputs": (two_inputs, "takes 2 inputs"),
    "pictures of another size": (another_size, r"shape \[N, 3, 112, 224\]"),
    "operations without end": (endless, "20000 operations"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_reach_out_or_make_no_sense_are_refused(name, tmp_path):
    change, said = REFUSED[name]
    (tmp_path / "x.onnx").write_bytes(changed(change))
    with pytest.raises(CheckpointError, match=said):
        OnnxNetwork(tmp_path / "x.onnx")


BOMBS = {
    "expand": (
        [node("Expand", "x n", "e"), node("Relu", "e", "y")],
        {"n": ints(10**6, 3, 112, 112)},
    ),
    "expand of a constant": (
        [node("Expand", "k n", "e"), node("Relu", "e", "r"), node("ReduceSum", "r", "y")],
        {"k": draw(1), "n": ints(10**6, 10**6)},
    ),
    "an outer product": (
        [node("MatMul", "k k2", "y")],
        {"k": draw(10**5, 1), "k2": draw(1, 10**5)},
    ),
    "whole numbers": (
        [node("Add", "k k2", "y")],
        {"k": np.zeros((10**5, 1), np.int64), "k2": ints(*range(10**5))},
    ),
    "padding": ([node("Pad", "x n", "y")], {"n": ints(0, 0, 0, 0, 0, 0, 0, 2**40)}),
    "padding of a convolution": (
        [node("Conv", "x w", "y", pads=[10**6] * 4)],
        {"w": draw(1, 3, 1, 1)},
    ),
    "a constant": ([node("ConstantOfShape", "n", "y")], {"n": ints(2**20, 2**20)}),
    "gather": ([node("Gather", "k i", "y")], {"k": draw(1, 5000), "i": np.zeros(5000, np.int64)}),
    "products": (
        [
            node("Conv", "x w", "a", pads=[50] * 4),
            *[
                node("Conv", f"{a} v", b, pads=[50] * 4)
                for a, b in zip("abcdefghijklmn", "bcdefghijklmno")
            ],
        ],
        {"w": draw(32, 3, 101, 101), "v": np.zeros((32, 32, 101, 101), np.float32)},
    ),
    "doubling": (
        [
            node("Concat", f"{a} {a}", b, axis=0)
            for a, b in zip(["x", *"abcdefghijklmnopqrs"], "abcdefghijklmnopqrst")
        ],
        {},
    ),
    "an index that is not there": ([node("Gather", "x i", "y", axis=1)], {"i": ints(7)}),
    "no vectors": ([node("Relu", "x", "y")], {}),
    "a shape that depends on the picture": (
        [node("Cast", "x", "n", to=7), node("Reshape", "x n", "y")],
        {},
    ),
    "an output that is never computed": ([node("Relu", "x", "z")], {}),
    "an input that is never computed": ([node("Relu", "q", "y")], {}),
    "shapes that do not fit": ([node("MatMul", "x k", "y")], {"k": draw(5, 5)}),
    "no kernel": ([node("MaxPool", "x", "y")], {}),
    "strides of zero": ([node("MaxPool", "x", "y", kernel_shape=[2, 2], strides=[0, 0])], {}),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_would_not_fit_is_refused_before_it_is_made(name, tmp_path):
    nodes, constants = BOMBS[name]
    output = "o" if name == "products" else "t" if name == "doubling" else "y"
    path = write(tmp_path / "x.onnx", nodes, constants, output=output)
    before = resident()
    with pytest.raises(CheckpointError, match=r"x\.onnx"):
        OnnxNetwork(path)
    assert resident() - before < 512 << 20


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_a_batch_that_grows_faster_than_its_pictures_is_refused(tmp_path):
    nodes = [
        node("Shape", "x", "n"),
        node("Gather", "n zero", "b"),
        node("Mul", "b b", "b2"),
        node("Mul", "b2 b2", "b4"),
        node("Concat", "b4 b4 one", "e", axis=0),
        node("ReduceMean", "x", "m", axes=[2, 3], keepdims=0),
        node("ReduceMean", "m", "m1", axes=[1], keepdims=1),
        node("Unsqueeze", "one1 zero", "u"),
        node("Expand", "u e", "big"),
        node("ReduceMean", "big", "s", keepdims=0),
        node("Mul", "m s", "y"),
    ]
    constants = {"zero": ints(0), "one": ints(1), "one1": draw(1)}
    network = OnnxNetwork(write(tmp_path / "x.onnx", nodes, constants))
    assert network(pictures(2)).shape == (2, 3)
    with pytest.raises(CheckpointError, match="is more than a network for pictures"):
        network(torch.zeros(16, 3, 112, 112))


def test_without_the_package_the_remedy_is_named(tmp_path, monkeypatch):
    path = write(tmp_path / "x.onnx", *face_network())
    whole = builtins.__import__

    def without(name, *arguments, **options):
        if name == "onnx":
            raise ImportError(name)
        return whole(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingModelError, match=r"pip install itportrait\[onnx\]"):
        read_graph(path)


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damaged_files_are_errors_or_networks(count, tmp_path):
    files = [model(*face_network()).SerializeToString()]
    for nodes, constants in (case for case in CASES.values() if isinstance(case, tuple)):
        files.append(
            model([SMALL, *nodes, node("Flatten", "z", "y")], constants).SerializeToString()
        )
    path, image = tmp_path / "x.onnx", pictures(1)
    before, refused = resident(), 0
    for data in mutations([data for data in files if len(data) < 100_000], count):
        path.write_bytes(data)
        try:
            assert OnnxNetwork(path)(image).ndim == 2
        except CheckpointError:
            refused += 1
    assert 0 < refused < count
    assert resident() - before < 512 << 20
