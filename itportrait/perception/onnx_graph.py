"""Run ONNX networks of other people in PyTorch: differentiable, without their code, and bounded.

Before anything is computed, the network runs on tensors without memory, so that the size of every
result is known: one that would take more than a picture's share is refused.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from itportrait.errors import CheckpointError
from itportrait.perception.onnx_file import Graph, Node, read_graph
from itportrait.perception.onnx_operators import MOST_FOLDED, OPERATORS, Attributes

INPUT_SIZE = 112
_MOST_VALUES = 1 << 24
"""Largest number of values of one result for one picture: 64 MB."""
_MOST_VALUES_IN_ALL = 1 << 28
"""Largest number of values of all results for one picture, which a gradient keeps: 1 GB."""
_MOST_PRODUCTS = 2 * 10**11
"""Largest number of multiplications for one picture; the largest published networks take 5 *
10**10."""
_MOST_NUMBERS = 1 << 12
"""Largest number of whole numbers that direct an operator, such as a shape or indices."""
_FAILURES = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, OverflowError)


class OnnxNetwork(nn.Module):
    """A network of pictures `[N, 3, 112, 112]` to vectors `[N, D]`, read from an ONNX file.

    Args:
        path: the file.

    Raises:
        MissingModelError: no such file, or the `onnx` package is not installed.
        CheckpointError: not readable, unknown operators (named), or too large for one picture.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = Path(path)
        graph = read_graph(path)
        unknown = sorted({node.operator for node in graph.nodes} - set(OPERATORS))
        if unknown:
            raise CheckpointError(
                f"{path} needs the operators {', '.join(unknown)[:200]}, which are not known here; "
                f"known: {', '.join(OPERATORS)}"
            )
        self._floats: dict[str, str] = {}
        self._whole: dict[str, Tensor] = {}
        for name, values in graph.constants.items():
            self._keep(name, torch.from_numpy(values))
        self._graph = replace(graph, constants={})
        self._last = _last_uses(graph)
        self._sizes_known: set[int] = set()
        self._check(1)
        self.one_by_one = graph.batch == 1 or not self._takes_two()

    def forward(self, image: Tensor) -> Tensor:
        """Return vectors `[N, D]` of pictures `[N, 3, 112, 112]`; differentiable.

        Raises:
            CheckpointError: so many pictures at once are more than the network can take.
        """
        if self.one_by_one and len(image) > 1:
            return torch.cat([self(picture) for picture in image.split(1)])
        if len(image) not in self._sizes_known:
            self._check(len(image))
        return self._run(image, _no_bounds)

    def _keep(self, name: str, values: Tensor) -> None:
        """Keep a constant: numbers with fractions where the module is, whole ones on the CPU."""
        if values.is_floating_point():
            self._floats[name] = f"constant_{len(self._floats)}"
            self.register_buffer(self._floats[name], values, persistent=False)
        else:
            self._whole[name] = values

    def _takes_two(self) -> bool:
        try:
            self._check(2)
        except CheckpointError:
            return False
        return True

    def _check(self, count: int) -> None:
        """Run on tensors without memory, and refuse what is too large or does not fit together."""
        image = torch.empty(count, 3, INPUT_SIZE, INPUT_SIZE, device="meta")
        result = self._run(image, _Bounds(count))
        if result.ndim != 2 or len(result) != count or not 0 < result.shape[1] <= MOST_FOLDED:
            raise CheckpointError(
                f"{self.path} gives {list(result.shape)[:8]}, expected one vector [{count}, D] for "
                f"{count} picture{'s' if count > 1 else ''}"
            )
        self._sizes_known.add(count)

    def _run(self, image: Tensor, bounds: "_Bounds | _NoBounds") -> Tensor:
        found: dict[str, Tensor] = {self._graph.input: image}
        for index, node in enumerate(self._graph.nodes):
            try:
                for name, values in self._compute(node, found, image.device, bounds):
                    found[name] = values
            except (CheckpointError, *_FAILURES) as error:
                reason = " ".join(str(error).split())[:200]
                raise CheckpointError(
                    f"{self.path}: operation {index} ({node.operator}) cannot be computed: {reason}"
                ) from None
            for name in self._last.get(index, ()):
                found.pop(name, None)
        if self._graph.output not in found:
            raise CheckpointError(f"{self.path} never computes its output")
        return found[self._graph.output]

    def _compute(
        self, node: Node, found: dict[str, Tensor], device: torch.device, bounds: Any
    ) -> Iterator[tuple[str, Tensor]]:
        operator = OPERATORS[node.operator]
        attributes = Attributes(node.attributes, self._graph.opset)
        inputs: list[Any] = list(self._inputs(node, found))
        for at, values in enumerate(inputs):
            if at in (*operator.numbers, *operator.scalars) and values is not None:
                inputs[at] = _numbers(values) if at in operator.numbers else _number(values)
        tensors = [values for values in inputs if isinstance(values, Tensor)]
        if any(values.device == device and device.type != "cpu" for values in tensors):
            inputs = [_to(values, device) for values in inputs]
        elif device.type == "meta":
            bounds.check_constant(node, inputs, attributes)
        results = operator.run(inputs, attributes)
        bounds.add(node, results, tensors)
        yield from zip(node.outputs, results if isinstance(results, tuple) else [results])

    def _inputs(self, node: Node, found: dict[str, Tensor]) -> Iterator[Tensor | None]:
        for name in node.inputs:
            if not name:
                yield None
            elif name in found:
                yield found[name]
            elif name in self._floats:
                yield getattr(self, self._floats[name])
            else:
                yield self._whole[name]


class _Bounds:
    """Counts what a run would take, and refuses more than the bounds.

    Args:
        count: pictures.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.spent: Counter[str] = Counter()

    def add(self, node: Node, results: Tensor | tuple[Tensor, ...], inputs: list[Tensor]) -> None:
        """Add what an operation gives."""
        for values in results if isinstance(results, tuple) else (results,):
            self.spent["values"] += values.numel()
            self.spent["products"] += values.numel() * _products_of(node, inputs)
            if (
                values.numel() > _MOST_VALUES * self.count
                or self.spent["values"] > _MOST_VALUES_IN_ALL * self.count
                or self.spent["products"] > _MOST_PRODUCTS * self.count
            ):
                raise CheckpointError(
                    f"{list(values.shape)[:8]} is more than a network for pictures of "
                    f"{INPUT_SIZE} pixels takes"
                )

    def check_constant(self, node: Node, inputs: list, attributes: Attributes) -> None:
        """Refuse an operation on constants whose result is too large, before it is made."""
        if node.operator == "Gather":  # needs its indices: at most one value for each pair
            sizes = [values.numel() for values in inputs if isinstance(values, Tensor)]
            result = torch.empty(math.prod(sizes), device="meta")
        else:
            meta = [v.to("meta") if isinstance(v, Tensor) else v for v in inputs]
            result = OPERATORS[node.operator].run(meta, attributes)
        self.add(node, result, [values for values in inputs if isinstance(values, Tensor)])


class _NoBounds:
    def add(self, *_: object) -> None:
        """Count nothing: the sizes are known."""


_no_bounds = _NoBounds()


def _products_of(node: Node, inputs: list[Tensor]) -> int:
    """Return the multiplications behind each value of a result."""
    if node.operator == "Conv":
        return max(inputs[1].numel() // max(len(inputs[1]), 1), 1)
    if node.operator in ("Gemm", "MatMul") and inputs[0].ndim:
        return max(inputs[0].shape[0 if node.attributes.get("transA") else -1], 1)
    return 1


def _to(values: Any, device: torch.device) -> Any:
    """Bring numbers with fractions to where the others are; whole ones stay on the CPU."""
    if not isinstance(values, Tensor):
        return values
    return values.to(device) if values.is_floating_point() else values


def _numbers(values: Tensor) -> list[int]:
    """Return the whole numbers that direct an operator."""
    if values.device.type != "cpu" or values.is_floating_point() or values.requires_grad:
        raise CheckpointError("a shape or an axis that depends on the picture")
    if values.numel() > _MOST_NUMBERS:
        raise CheckpointError(f"{values.numel()} numbers in place of a shape")
    return [int(value) for value in values.reshape(-1)]


def _number(values: Tensor) -> float:
    """Return the one number that directs an operator."""
    if values.device.type == "meta" or values.numel() != 1 or values.requires_grad:
        raise CheckpointError("a limit that depends on the picture")
    return float(values)


def _last_uses(graph: Graph) -> dict[int, list[str]]:
    """Return the results that no operation after this one needs, by the operation's position."""
    last: dict[str, int] = {}
    for index, node in enumerate(graph.nodes):
        last.update(dict.fromkeys((*node.inputs, *node.outputs), index))
    last.pop(graph.output, None)
    gone: dict[int, list[str]] = {}
    for name, index in last.items():
        gone.setdefault(index, []).append(name)
    return gone
