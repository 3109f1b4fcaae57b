"""Networks that are kept as a list of operations beside their weights, in differentiable PyTorch.

A file is safetensors; its metadata has the operations as JSON. It is made by the conversion of a
published network (`itportrait models get`), with the layout that torch computes in: pictures `[N,
C, H, W]`, filters `[outputs, inputs, rows, columns]`, and padding in numbers.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.errors import CheckpointError
from itportrait.weights.networks import open_weights
from itportrait.weights.safetensors import parse_json

KIND = "graph-1"
_MOST_STEPS = 10_000
_FAILURES = (RuntimeError, ValueError, TypeError, LookupError)


@dataclass(frozen=True)
class GraphStep:
    """One operation."""

    operator: str
    """Name of an operator in `OPERATORS`."""
    inputs: tuple[str, ...]
    """Names of what goes in: the picture, results of earlier operations, and weights."""
    output: str
    """Name of what comes out."""
    options: dict[str, tuple[int, ...]]
    """Whole numbers that the operator takes, by name."""


@dataclass(frozen=True)
class GraphPlan:
    """The operations of a network, from one batch of pictures to one or several results."""

    size: tuple[int, int]
    """Rows and columns of the pictures."""
    input: str
    """Name of the pictures."""
    outputs: tuple[str, ...]
    """Names of the results."""
    steps: tuple[GraphStep, ...]
    """In order."""


def _conv(x: Tensor, weight: Tensor, bias: Tensor, options: Mapping[str, Any]) -> Tensor:
    x = F.pad(x, options["pad"])
    return F.conv2d(x, weight, bias, options["stride"], 0, options["dilation"], *options["groups"])


def _max_pool(x: Tensor, options: Mapping[str, Any]) -> Tensor:
    x = F.pad(x, options["pad"], value=float("-inf")) if any(options["pad"]) else x
    return F.max_pool2d(x, options["size"], options["stride"])


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "add": lambda a, b, options: a + b,
    "conv": _conv,
    "flatten": lambda x, options: x.permute(0, 2, 3, 1).flatten(1),
    "max_pool": _max_pool,
    "pad": lambda x, options: F.pad(x, options["pad"]),
    "prelu": lambda x, slope, options: F.prelu(x, slope),
}
"""Name -> function of its inputs and its options."""


class GraphNetwork(nn.Module):
    """A network from pictures `[N, 3, H, W]` to its results; without gradients of the weights.

    Args:
        plan: its operations.
        weights: its weights, by the names that the operations call them.
    """

    def __init__(self, plan: GraphPlan, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.plan = plan
        self._places = {name: f"weight_{index}" for index, name in enumerate(weights)}
        for name, values in weights.items():
            self.register_buffer(self._places[name], values, persistent=False)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file of `write_graph`.

        Raises:
            MissingModelError: no such file.
            CheckpointError: it is not whole, or holds something else.
        """
        with open_weights(path) as file:
            if file.metadata.get("kind") != KIND:
                raise CheckpointError("is not a network with a list of operations")
            plan = _parse(parse_json(file.metadata.get("graph", ""), "its list of operations"))
            weights = {name: tensor.read() for name, tensor in file.tensors.items()}
        return cls(plan, weights)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the results of pictures `[N, 3, H, W]`, in the order of the plan.

        Raises:
            CheckpointError: the operations do not fit together.
        """
        found = {self.plan.input: image}
        for index, step in enumerate(self.plan.steps):
            try:
                inputs = [self._value(name, found) for name in step.inputs]
                found[step.output] = OPERATORS[step.operator](*inputs, options=step.options)
            except _FAILURES as error:
                raise CheckpointError(
                    f"operation {index} ({step.operator}) of a published network cannot be "
                    f"computed: {error}"
                ) from error
        return tuple(found[name] for name in self.plan.outputs)

    def _value(self, name: str, found: Mapping[str, Tensor]) -> Tensor:
        return found[name] if name in found else getattr(self, self._places[name])


class SquareNetwork:
    """What a network tells of a square part of a picture; the base of those of this package.

    Args:
        network: from pictures `[N, 3, S, S]` in [0, 1] to rows of `outputs` numbers each.

    Raises:
        CheckpointError: the network is another one.
    """

    what: ClassVar[str]
    """What the network is, for an error."""
    outputs: ClassVar[tuple[int, ...]]
    """How many numbers each of its outputs has for a picture."""

    def __init__(self, network: GraphNetwork) -> None:
        self.network = network.eval()
        rows, columns = network.plan.size
        with torch.no_grad():
            shapes = [tuple(out.shape) for out in network(torch.zeros(1, 3, rows, columns))]
        if rows != columns or shapes != [(1, count) for count in self.outputs]:
            raise CheckpointError(f"is not {self.what}: gives {shapes}")
        self.size = rows

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a converted file.

        Raises:
            MissingModelError: no such file.
            CheckpointError: the file does not hold this network.
        """
        return cls(GraphNetwork.load(path))


def write_graph(plan: GraphPlan, weights: Mapping[str, Tensor], path: str | Path) -> None:
    """Write a network; atomic."""
    graph = {
        "size": plan.size,
        "input": plan.input,
        "outputs": plan.outputs,
        "steps": [[s.operator, s.inputs, s.output, s.options] for s in plan.steps],
    }
    temporary = Path(path).with_suffix(".tmp")
    tensors = {name: values.contiguous() for name, values in weights.items()}
    save_file(tensors, str(temporary), metadata={"graph": json.dumps(graph), "kind": KIND})
    temporary.replace(path)


def _parse(graph: Any) -> GraphPlan:
    try:
        steps = tuple(
            GraphStep(
                str(operator),
                tuple(map(str, inputs)),
                str(output),
                {str(name): tuple(map(int, values)) for name, values in options.items()},
            )
            for operator, inputs, output, options in graph["steps"][:_MOST_STEPS]
        )
        rows, columns = map(int, graph["size"])
        outputs = tuple(map(str, graph["outputs"]))
        return GraphPlan((rows, columns), str(graph["input"]), outputs, steps)
    except (*_FAILURES, AttributeError) as error:
        raise CheckpointError(f"has a list of operations that cannot be read: {error}") from error
