"""From MediaPipe's networks of faces and eyes (`.tflite`) to the files that `GraphNetwork` reads.

Only the layout changes: pictures become `[N, C, H, W]`, weights of 16 bits become floats of 32, and
the padding that the format calls "same" becomes numbers. Operations and their order stay.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from itportrait.errors import CheckpointError
from itportrait.landmarks.graph import GraphPlan, GraphStep, write_graph
from itportrait.weights.tflite_file import TfliteNetwork, TfliteStep, read_tflite

Options = dict[str, tuple[int, ...]]


def convert_mediapipe(source: Path, target: Path) -> None:
    """Write a converted network.

    Args:
        source: a `.tflite` of one picture.
        target: safetensors file to be made.

    Raises:
        CheckpointError: the file is damaged, or is a network of a kind that is not known here.
    """
    write_graph(*plan_of(read_tflite(source)), target)


def plan_of(network: TfliteNetwork) -> tuple[GraphPlan, dict[str, Tensor]]:
    """Return a network's operations and weights in torch's layout.

    Raises:
        CheckpointError: it takes something else than one picture, or an operation is not of the
            kinds that are known here.
    """
    shape = network.tensors[network.inputs[0]].shape
    if len(network.inputs) != 1 or len(shape) != 4 or shape[0] != 1 or shape[3] != 3:
        raise CheckpointError(f"takes {list(shape)} instead of a picture [1, H, W, 3]")
    reader = _Reader(network)
    steps = [step for one in network.steps if (step := reader.step(one)) is not None]
    outputs: list[str] = []
    for number in network.outputs:
        name = reader.names[number]
        if len(network.tensors[number].shape) == 4:  # all results are vectors
            steps.append(GraphStep("flatten", (name,), name := f"{name}.flat", {}))
        outputs.append(name)
    size = (shape[1], shape[2])
    plan = GraphPlan(size, reader.names[network.inputs[0]], tuple(outputs), tuple(steps))
    return plan, reader.weights


class _Reader:
    """Turns one operation after the other; knows the constants that came before."""

    def __init__(self, network: TfliteNetwork) -> None:
        self._tensors = network.tensors
        self._constants = {
            number: tensor.values
            for number, tensor in enumerate(network.tensors)
            if tensor.values is not None
        }
        self.names = {number: f"t{number}" for number in range(len(network.tensors))}
        self.weights: dict[str, Tensor] = {}

    def step(self, step: TfliteStep) -> GraphStep | None:
        """Return the operation; None where it only makes a constant of another type."""
        if step.operator == "dequantize":
            self._constants[step.output] = self._constant(step.inputs[0]).astype(np.float32)
            return None
        make = getattr(self, f"_{step.operator}")
        operator, inputs, options = make(step)
        return GraphStep(operator, inputs, self.names[step.output], options)

    def _conv(self, step: TfliteStep) -> tuple[str, tuple[str, ...], Options]:
        # From [outputs, rows, columns, inputs].
        return self._convolved(step, (0, 3, 1, 2), groups=1)

    def _depthwise(self, step: TfliteStep) -> tuple[str, tuple[str, ...], Options]:
        # From [1, rows, columns, channels].
        if step.options["multiplier"] != 1:
            raise CheckpointError("has a depthwise convolution with several outputs a channel")
        return self._convolved(step, (3, 0, 1, 2), groups=self._tensors[step.inputs[0]].shape[3])

    def _convolved(
        self, step: TfliteStep, order: tuple[int, ...], groups: int
    ) -> tuple[str, tuple[str, ...], Options]:
        picture, weight, bias = step.inputs
        values = self._constant(weight).transpose(order)
        dilation = (step.options["dilation_y"], step.options["dilation_x"])
        sides = tuple((n - 1) * d + 1 for n, d in zip(values.shape[2:], dilation, strict=True))
        options = self._window(step, sides) | {"dilation": dilation, "groups": (groups,)}
        names = (self._weight(weight, values), self._weight(bias, self._constant(bias)))
        return "conv", (self.names[picture], *names), options

    def _max_pool(self, step: TfliteStep) -> tuple[str, tuple[str, ...], Options]:
        size = (step.options["height"], step.options["width"])
        return "max_pool", (self.names[step.inputs[0]],), {**self._window(step, size), "size": size}

    def _window(self, step: TfliteStep, sides: tuple[int, ...]) -> Options:
        """Return stride and padding: left, right, top, bottom; "same" puts the odd one after."""
        stride = (step.options["stride_y"], step.options["stride_x"])
        before, after = [0, 0], [0, 0]
        if step.options["padding"] == 0:
            shape = self._tensors[step.inputs[0]].shape[1:3]
            for axis, (size, side, by) in enumerate(zip(shape, sides, stride, strict=True)):
                missing = max((-(-size // by) - 1) * by + side - size, 0)
                before[axis], after[axis] = missing // 2, missing - missing // 2
        return {"stride": stride, "pad": (before[1], after[1], before[0], after[0])}

    def _prelu(self, step: TfliteStep) -> tuple[str, tuple[str, ...], Options]:
        picture, slope = step.inputs
        values = self._constant(slope)
        if values.shape[:-1] != (1, 1):
            raise CheckpointError(f"has slopes of the shape {list(values.shape)}")
        return "prelu", (self.names[picture], self._weight(slope, values.reshape(-1))), {}

    def _add(self, step: TfliteStep) -> tuple[str, tuple[str, ...], Options]:
        a, b = step.inputs
        if self._tensors[a].shape != self._tensors[b].shape:
            raise CheckpointError("adds tensors of two shapes")
        return "add", (self.names[a], self.names[b]), {}

    def _pad(self, step: TfliteStep) -> tuple[str, tuple[str, ...], Options]:
        picture, by = step.inputs
        pairs = self._constant(by).tolist()
        if len(pairs) != 4 or pairs[0] != [0, 0]:
            raise CheckpointError(f"is padded by {pairs}")
        _, rows, columns, channels = pairs
        return "pad", (self.names[picture],), {"pad": (*columns, *rows, *channels)}

    def _reshape(self, step: TfliteStep) -> tuple[str, tuple[str, ...], Options]:
        if len(self._tensors[step.output].shape) != 2:
            raise CheckpointError("has a reshape to something else than vectors")
        return "flatten", (self.names[step.inputs[0]],), {}

    def _constant(self, number: int) -> np.ndarray:
        if number not in self._constants:
            raise CheckpointError(f"has weights that it computes: {self._tensors[number].name!r}")
        return self._constants[number]

    def _weight(self, number: int, values: np.ndarray) -> str:
        name = self.names[number]
        self.weights[name] = torch.tensor(np.ascontiguousarray(values, np.float32))
        return name
