"""Files of TensorFlow Lite, written by hand: just what the tests need of the format."""

import struct

import numpy as np

CODES = {"add": 0, "conv": 3, "depthwise": 4, "dequantize": 6, "max_pool": 17, "pad": 34}
CODES |= {"reshape": 22, "prelu": 54, "softmax": 25}
_TYPES = {"float32": 0, "float16": 1, "int32": 2, "int64": 4}
SAME, VALID = 0, 1


def number(kind, value):
    """Return a field with a number of a format of `struct`."""
    return "number", kind, value


def listed(kind, values):
    """Return a field with a list of numbers."""
    return "list", struct.pack(f"<I{len(values)}{kind}", len(values), *values)


def text(value):
    """Return a field with bytes."""
    return "list", struct.pack("<I", len(value)) + value


def flatbuffer(root, mark=b"TFL3"):
    """Return the bytes of a table, given as fields by their numbers.

    A field is one of the above, a table (a dict), or a list of tables.
    """
    data = bytearray(8)
    data[4:8] = mark
    struct.pack_into("<I", data, 0, _write(data, root))
    return bytes(data)


def _write(data, fields):
    count = max(fields, default=-1) + 1
    names = len(data)
    place = names + 4 + 2 * count + (2 * count) % 4
    data += bytes(place + 4 + 4 * count - names)
    struct.pack_into("<HH", data, names, 4 + 2 * count, 4 + 4 * count)
    struct.pack_into("<i", data, place, place - names)
    for field, value in fields.items():
        at = place + 4 + 4 * field
        struct.pack_into("<H", data, names + 4 + 2 * field, at - place)
        if isinstance(value, tuple) and value[0] == "number":
            struct.pack_into(f"<{value[1]}", data, at, value[2])
        else:
            struct.pack_into("<I", data, at, _child(data, value) - at)
    return place


def _child(data, value):
    if isinstance(value, dict):
        return _write(data, value)
    data += bytes(-len(data) % 4)
    start = len(data)
    if isinstance(value, tuple):
        data += value[1]
        return start
    data += struct.pack("<I", len(value)) + bytes(4 * len(value))
    for index, one in enumerate(value):
        at = start + 4 + 4 * index
        struct.pack_into("<I", data, at, _write(data, one) - at)
    return start


class NetworkFile:
    """Collects tensors and operations; `data` gives the file."""

    def __init__(self):
        self.tensors, self.buffers, self.codes, self.steps = [], [{}], [], []

    def tensor(self, name, shape, values=None, kind="float32"):
        """Add a tensor, and return its number; `values` make it a constant."""
        buffer = 0
        if values is not None:
            kind, buffer = values.dtype.name, len(self.buffers)
            self.buffers.append({0: text(values.tobytes())})
        fields = {0: listed("i", shape), 1: number("b", _TYPES[kind]), 2: number("I", buffer)}
        self.tensors.append({**fields, 3: text(name.encode())})
        return len(self.tensors) - 1

    def constant(self, values):
        """Add a constant, and return its number."""
        return self.tensor("constant", values.shape, values)

    def step(self, operator, inputs, output, options=None):
        """Add an operation, and return the number of its output."""
        fields = {0: number("I", len(self.codes)), 1: listed("i", inputs), 2: listed("i", [output])}
        if options is not None:
            fields[4] = options
        self.codes.append({0: number("b", CODES[operator])})
        self.steps.append(fields)
        return output

    def data(self, inputs, outputs):
        """Return the bytes of the file."""
        graph = {0: self.tensors, 1: listed("i", inputs), 2: listed("i", outputs), 3: self.steps}
        return flatbuffer({0: number("I", 3), 1: self.codes, 2: [graph], 4: self.buffers})


def convolution(padding, stride):
    """Return the options of a convolution."""
    return {0: number("b", padding), 1: number("i", stride), 2: number("i", stride)}


def small_network(seed=0):
    """Return a file with every operator, and its weights `[...]` by name.

    From `[1, 9, 9, 3]` to `[1, 1, 1, 5]` and `[1, 24]`.
    """
    rng = np.random.default_rng(seed)
    shapes = {
        "first": (4, 3, 3, 3),
        "first_bias": (4,),
        "slope": (1, 1, 4),
        "depth": (1, 3, 3, 4),
        "depth_bias": (4,),
        "last": (5, 2, 2, 6),
        "last_bias": (5,),
    }
    weights = {name: rng.normal(size=shape).astype("float16") for name, shape in shapes.items()}
    file = NetworkFile()
    numbers = {}
    for name, values in weights.items():
        wide = file.tensor(name, values.shape)
        numbers[name] = file.step("dequantize", [file.constant(values)], wide)
    n, picture = numbers, file.tensor("picture", (1, 9, 9, 3))
    x = file.step(
        "conv", [picture, n["first"], n["first_bias"]], file.tensor("a", (1, 5, 5, 4)),
        convolution(SAME, 2),
    )  # fmt: skip
    x = file.step("prelu", [x, n["slope"]], file.tensor("b", (1, 5, 5, 4)))
    y = file.step(
        "depthwise", [x, n["depth"], n["depth_bias"]], file.tensor("c", (1, 5, 5, 4)),
        {**convolution(SAME, 1), 3: number("i", 1)},
    )  # fmt: skip
    x = file.step("add", [x, y], file.tensor("d", (1, 5, 5, 4)), {})
    pool = {**convolution(VALID, 2), 3: number("i", 2), 4: number("i", 2)}
    x = file.step("max_pool", [x], file.tensor("e", (1, 2, 2, 4)), pool)
    by = file.constant(np.array([[0, 0], [0, 0], [0, 0], [0, 2]], "int32"))
    x = file.step("pad", [x, by], file.tensor("f", (1, 2, 2, 6)))
    last = file.step(
        "conv", [x, n["last"], n["last_bias"]], file.tensor("g", (1, 1, 1, 5)),
        convolution(VALID, 1),
    )  # fmt: skip
    shape = file.constant(np.array([1, 24], "int32"))
    flat = file.step("reshape", [x, shape], file.tensor("h", (1, 24)))
    return file.data([picture], [last, flat]), weights
