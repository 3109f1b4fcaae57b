"""ONNX files made by hand: networks of a picture [N, 3, 112, 112] to vectors [N, D]."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

PICTURE = ("N", 3, 112, 112)


def node(operator, inputs, outputs, **attributes):
    """Return a node; inputs and outputs are names with blanks between them."""
    return helper.make_node(operator, inputs.split(" "), outputs.split(" "), **attributes)


def model(nodes, constants=None, *, picture=PICTURE, output="y", opset=17, **values):
    """Return a model of `x` to `y` (or another name)."""
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, picture)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8, **values)


def write(path, *arguments, **options):
    """Write a model, and return its path."""
    path.write_bytes(model(*arguments, **options).SerializeToString())
    return path


def draw(*shape, seed=0, low=-1.0):
    """Return random numbers from `low` to 1."""
    return np.random.default_rng(seed).uniform(low, 1, shape).astype(np.float32)


def face_network(width=8, dimensions=16):
    """Return a small network of the kind that face recognition uses: (nodes, constants)."""
    constants = {
        "c1": draw(width, 3, 3, 3, seed=1),
        "c2": draw(width, width, 3, 3, seed=2) / 8,
        "slope": draw(width, 1, 1, seed=3),
        **{f"bn{name}": draw(width, seed=4, low=0.2) for name in ("s", "b", "m", "v")},
        "fc": draw(dimensions, width, seed=5),
        "bias": draw(dimensions, seed=6),
    }
    nodes = [
        node("Conv", "x c1", "a", kernel_shape=[3, 3], strides=[4, 4], pads=[1, 1, 1, 1]),
        node("BatchNormalization", "a bns bnb bnm bnv", "b"),
        node("PRelu", "b slope", "c"),
        node("Conv", "c c2", "d", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Add", "c d", "e"),
        node("GlobalAveragePool", "e", "f"),
        node("Flatten", "f", "g"),
        node("Dropout", "g", "h"),
        node("Gemm", "h fc bias", "y", transB=1),
    ]
    return nodes, constants
