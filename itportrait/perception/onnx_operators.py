"""The operators of ONNX that face-recognition networks are made of, in differentiable PyTorch.

Every operator is a function `(inputs, attributes) -> output`. Inputs are tensors, or None where
they are left out; those that say what to do, not what to do it with (shapes, axes, limits), come
as plain numbers. Source: the operators' pages in the ONNX specification.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from itportrait.errors import CheckpointError
from itportrait.perception.onnx_file import Value

MOST_FOLDED = 1 << 16
"""Largest number of values of a constant that an operator makes from nothing."""

Inputs = Sequence[Any]


class Attributes:
    """The attributes of a node, each of the type that is asked for.

    Args:
        values: by name.
        opset: version of the operators.
    """

    def __init__(self, values: dict[str, Value], opset: int) -> None:
        self.values, self.opset = values, opset

    def number(self, name: str, default: float) -> float:
        """Return a number."""
        value = self.values.get(name, default)
        return float(value) if isinstance(value, int | float) else _wrong(name, "a number")

    def whole(self, name: str, default: int) -> int:
        """Return a whole number."""
        value = self.values.get(name, default)
        return value if isinstance(value, int) else _wrong(name, "a whole number")

    def wholes(self, name: str, default: Sequence[int] | None = None) -> list[int]:
        """Return whole numbers."""
        value = self.values.get(name, default)
        if isinstance(value, tuple | list) and all(isinstance(item, int) for item in value):
            return [int(item) for item in value]
        return _wrong(name, "whole numbers")

    def text(self, name: str, default: str) -> str:
        """Return a text."""
        value = self.values.get(name, default)
        return value if isinstance(value, str) else _wrong(name, "a text")


@dataclass(frozen=True)
class Operator:
    """How an operator is computed.

    Args:
        run: the computation.
        numbers: positions of the inputs that come as lists of whole numbers.
        scalars: positions of the inputs that come as one number.
    """

    run: Callable[[Inputs, Attributes], Any]
    numbers: tuple[int, ...] = ()
    scalars: tuple[int, ...] = ()


def _wrong(name: str, expected: str) -> Any:
    raise CheckpointError(f"attribute {name} must be {expected}")


def _padding(attributes: Attributes) -> list[int]:
    """Return the padding as `F.pad` takes it: left, right, top, bottom."""
    auto = attributes.text("auto_pad", "NOTSET")
    if auto not in ("NOTSET", "VALID"):
        raise CheckpointError(f"auto_pad {auto[:40]} is not supported; export explicit pads")
    top, left, bottom, right = attributes.wholes("pads", (0, 0, 0, 0))
    return [left, right, top, bottom]


def _conv(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, weight = inputs[0], inputs[1]
    left, right, top, bottom = _padding(attributes)
    padding: Any = (top, left)
    if (left, top) != (right, bottom):
        image, padding = F.pad(image, (left, right, top, bottom)), 0
    return F.conv2d(
        image,
        weight,
        inputs[2] if len(inputs) > 2 else None,
        stride=attributes.wholes("strides", (1, 1)),
        padding=padding,
        dilation=attributes.wholes("dilations", (1, 1)),
        groups=attributes.whole("group", 1),
    )


def _pool(inputs: Inputs, attributes: Attributes, *, largest: bool) -> Tensor:
    image = inputs[0]
    left, right, top, bottom = _padding(attributes)
    inside, counted = (top, left), bool(attributes.whole("count_include_pad", 0))
    if (left, top) != (right, bottom):
        if not (largest or counted):
            raise CheckpointError("averages over uneven padding that does not count")
        padding = (left, right, top, bottom)
        image, inside = F.pad(image, padding, value=-math.inf if largest else 0.0), (0, 0)
    size, strides = attributes.wholes("kernel_shape"), attributes.wholes("strides", (1, 1))
    dilations, ceil = attributes.wholes("dilations", (1, 1)), bool(attributes.whole("ceil_mode", 0))
    if largest:
        return F.max_pool2d(image, size, strides, inside, dilations, ceil)
    if dilations != [1, 1]:
        raise CheckpointError("averages of dilated windows are not supported")
    return F.avg_pool2d(image, size, strides, inside, ceil, counted)


def _batch_norm(inputs: Inputs, attributes: Attributes) -> Tensor:
    image, scale, bias, mean, variance = inputs
    if attributes.whole("training_mode", 0):
        raise CheckpointError("a network that is still in training; export it for evaluation")
    return F.batch_norm(image, mean, variance, scale, bias, eps=attributes.number("epsilon", 1e-5))


def _layer_norm(inputs: Inputs, attributes: Attributes) -> Tensor:
    values, scale, *rest = inputs
    axis = attributes.whole("axis", -1)
    shape = list(values.shape[axis:])
    bias = rest[0] if rest else None
    return F.layer_norm(values, shape, scale, bias, attributes.number("epsilon", 1e-5))


def _gemm(inputs: Inputs, attributes: Attributes) -> Tensor:
    a = inputs[0].T if attributes.whole("transA", 0) else inputs[0]
    b = inputs[1].T if attributes.whole("transB", 0) else inputs[1]
    product = (a @ b) * attributes.number("alpha", 1.0)
    if len(inputs) < 3 or inputs[2] is None:
        return product
    return product + inputs[2] * attributes.number("beta", 1.0)


def _prelu(inputs: Inputs, _: Attributes) -> Tensor:
    values, slope = inputs
    return torch.where(values < 0, slope * values, values)


def _divide(inputs: Inputs, _: Attributes) -> Tensor:
    a, b = inputs
    whole = not (a.is_floating_point() or b.is_floating_point())
    return torch.div(a, b, rounding_mode="trunc") if whole else a / b


def _clip(inputs: Inputs, attributes: Attributes) -> Tensor:
    low = inputs[1] if len(inputs) > 1 else None
    high = inputs[2] if len(inputs) > 2 else None
    if "min" in attributes.values:
        low = attributes.number("min", 0)
    if "max" in attributes.values:
        high = attributes.number("max", 0)
    return inputs[0] if low is None and high is None else inputs[0].clamp(low, high)


def _flatten(inputs: Inputs, attributes: Attributes) -> Tensor:
    values, axis = inputs[0], attributes.whole("axis", 1)
    axis += values.ndim if axis < 0 else 0
    return values.reshape(math.prod(values.shape[:axis]), math.prod(values.shape[axis:]))


def _reshape(inputs: Inputs, attributes: Attributes) -> Tensor:
    values, sizes = inputs
    if not attributes.whole("allowzero", 0):
        sizes = [values.shape[at] if size == 0 else size for at, size in enumerate(sizes)]
    return values.reshape(sizes)


def _axes(inputs: Inputs, attributes: Attributes, at: int = 1) -> list[int] | None:
    """Return the axes, which were an attribute before they were an input; None: not given."""
    if len(inputs) > at and inputs[at] is not None:
        return list(inputs[at])
    return attributes.wholes("axes") if "axes" in attributes.values else None


def _squeeze(inputs: Inputs, attributes: Attributes) -> Tensor:
    axes = _axes(inputs, attributes)
    return inputs[0].squeeze() if axes is None else inputs[0].squeeze(tuple(axes))


def _unsqueeze(inputs: Inputs, attributes: Attributes) -> Tensor:
    values, axes = inputs[0], _axes(inputs, attributes) or []
    rank = values.ndim + len(axes)
    for axis in sorted(axis + rank if axis < 0 else axis for axis in axes):
        values = values.unsqueeze(axis)
    return values


def _transpose(inputs: Inputs, attributes: Attributes) -> Tensor:
    values = inputs[0]
    return values.permute(attributes.wholes("perm", tuple(reversed(range(values.ndim)))))


def _slice(inputs: Inputs, attributes: Attributes) -> Tensor:
    values = inputs[0]
    if len(inputs) > 1:
        starts, ends = inputs[1], inputs[2]
        axes = inputs[3] if len(inputs) > 3 and inputs[3] is not None else range(len(starts))
        steps = inputs[4] if len(inputs) > 4 and inputs[4] is not None else [1] * len(starts)
    else:
        starts, ends = attributes.wholes("starts"), attributes.wholes("ends")
        axes, steps = attributes.wholes("axes", tuple(range(len(starts)))), [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 1:
            raise CheckpointError("slices that run backwards are not supported")
        keys: list[Any] = [slice(None)] * values.ndim
        keys[axis] = slice(start, end, step)
        values = values[tuple(keys)]
    return values


def _split(inputs: Inputs, attributes: Attributes) -> tuple[Tensor, ...]:
    values, axis = inputs[0], attributes.whole("axis", 0)
    sizes = inputs[1] if len(inputs) > 1 else None
    if sizes is None and "split" in attributes.values:
        sizes = attributes.wholes("split")
    if sizes is None:
        sizes = -(-values.shape[axis] // attributes.whole("num_outputs", 2))
    return tuple(values.split(sizes, axis))


def _gather(inputs: Inputs, attributes: Attributes) -> Tensor:
    values, indices = inputs
    axis = attributes.whole("axis", 0)
    count, flat = values.shape[axis], indices.reshape(-1)
    if flat.numel() and not -count <= int(flat.min()) <= int(flat.max()) < count:
        raise CheckpointError(f"indices outside of the {count} values of an axis")
    found = values.index_select(axis, torch.where(flat < 0, flat + count, flat).to(values.device))
    axis += values.ndim if axis < 0 else 0
    return found.reshape(*values.shape[:axis], *indices.shape, *values.shape[axis + 1 :])


def _expand(inputs: Inputs, _: Attributes) -> Tensor:
    values, sizes = inputs
    return values.expand(torch.broadcast_shapes(values.shape, sizes))


def _pad(inputs: Inputs, attributes: Attributes) -> Tensor:
    values = inputs[0]
    pads = inputs[1] if len(inputs) > 1 else attributes.wholes("pads")
    if attributes.text("mode", "constant") != "constant" or len(pads) != 2 * values.ndim:
        raise CheckpointError("only padding with one value on all axes is supported")
    fill = inputs[2] if len(inputs) > 2 else None
    fill = attributes.number("value", 0.0) if fill is None else fill
    both = zip(pads[: values.ndim], pads[values.ndim :], strict=True)
    return F.pad(values, [side for pair in reversed(list(both)) for side in pair], value=fill)


def _reduce(inputs: Inputs, attributes: Attributes, how: Callable[..., Tensor]) -> Tensor:
    values, axes = inputs[0], _axes(inputs, attributes)
    if not axes:
        if axes is not None and attributes.whole("noop_with_empty_axes", 0):
            return values
        axes = list(range(values.ndim))
    return how(values, tuple(axes), keepdim=bool(attributes.whole("keepdims", 1)))


def _lp_normalize(inputs: Inputs, attributes: Attributes) -> Tensor:
    return F.normalize(inputs[0], p=attributes.whole("p", 2), dim=attributes.whole("axis", -1))


def _softmax(inputs: Inputs, attributes: Attributes) -> Tensor:
    values = inputs[0]
    if attributes.opset >= 13:
        return values.softmax(attributes.whole("axis", -1))
    return _flatten(inputs, attributes).softmax(1).reshape(values.shape)


def _constant(_: Inputs, attributes: Attributes) -> Tensor:
    for name, kind in (("value_int", torch.int64), ("value_ints", torch.int64)):
        if name in attributes.values:
            return torch.tensor(attributes.values[name], dtype=kind)
    for name in ("value_float", "value_floats"):
        if name in attributes.values:
            return torch.tensor(attributes.values[name], dtype=torch.float32)
    return torch.as_tensor(attributes.values["value"])


def _constant_of_shape(inputs: Inputs, attributes: Attributes) -> Tensor:
    count = math.prod(inputs[0])
    if not 0 <= count <= MOST_FOLDED:
        raise CheckpointError(f"a constant of {count} values, expected at most {MOST_FOLDED}")
    value = torch.as_tensor(attributes.values.get("value", torch.zeros(1)))
    return value.reshape(-1)[:1].expand(count).reshape(inputs[0])


def _shape(inputs: Inputs, attributes: Attributes) -> Tensor:
    sizes = torch.tensor(inputs[0].shape, dtype=torch.int64)
    return sizes[attributes.whole("start", 0) : attributes.values.get("end")]  # type: ignore[misc]


_CAST = {1: torch.float32, 10: torch.float32, 11: torch.float32, 9: torch.bool}


def _cast(inputs: Inputs, attributes: Attributes) -> Tensor:
    kind = attributes.whole("to", 0)
    if kind not in (*_CAST, 6, 7):
        raise CheckpointError(f"numbers of type {kind} are not supported")
    return inputs[0].to(_CAST.get(kind, torch.int64))


def _each(function: Callable[..., Tensor]) -> Operator:
    """Return an operator that takes one tensor and no attribute."""
    return Operator(lambda inputs, _: function(inputs[0]))


def _both(function: Callable[..., Tensor]) -> Operator:
    """Return an operator of two or more tensors, taken one after the other."""

    def run(inputs: Inputs, _: Attributes) -> Tensor:
        result = inputs[0]
        for other in inputs[1:]:
            result = function(result, other)
        return result

    return Operator(run)


def _reduced(how: Callable[..., Tensor]) -> Operator:
    return Operator(lambda inputs, attributes: _reduce(inputs, attributes, how), numbers=(1,))


def _mean(inputs: Inputs, _: Attributes) -> Tensor:
    return torch.stack(torch.broadcast_tensors(*inputs)).mean(0)


OPERATORS: dict[str, Operator] = {
    "Abs": _each(torch.abs),
    "Add": _both(torch.add),
    "AveragePool": Operator(lambda inputs, attributes: _pool(inputs, attributes, largest=False)),
    "BatchNormalization": Operator(_batch_norm),
    "Cast": Operator(_cast),
    "Clip": Operator(_clip, scalars=(1, 2)),
    "Concat": Operator(lambda inputs, a: torch.cat(list(inputs), a.whole("axis", 0))),
    "Constant": Operator(_constant),
    "ConstantOfShape": Operator(_constant_of_shape, numbers=(0,)),
    "Conv": Operator(_conv),
    "Div": Operator(_divide),
    "Dropout": _each(lambda values: values),
    "Elu": Operator(lambda inputs, a: F.elu(inputs[0], a.number("alpha", 1.0))),
    "Erf": _each(torch.erf),
    "Exp": _each(torch.exp),
    "Expand": Operator(_expand, numbers=(1,)),
    "Flatten": Operator(_flatten),
    "Gather": Operator(_gather),
    "Gelu": Operator(
        lambda inputs, a: F.gelu(inputs[0], approximate=a.text("approximate", "none"))
    ),
    "Gemm": Operator(_gemm),
    "GlobalAveragePool": _each(lambda image: image.mean((2, 3), keepdim=True)),
    "GlobalMaxPool": _each(lambda image: image.amax((2, 3), keepdim=True)),
    "HardSigmoid": Operator(
        lambda inputs, a: (inputs[0] * a.number("alpha", 0.2) + a.number("beta", 0.5)).clamp(0, 1)
    ),
    "HardSwish": _each(F.hardswish),
    "Identity": _each(lambda values: values),
    "InstanceNormalization": Operator(
        lambda inputs, a: F.instance_norm(
            inputs[0], weight=inputs[1], bias=inputs[2], eps=a.number("epsilon", 1e-5)
        )
    ),
    "LayerNormalization": Operator(_layer_norm),
    "LeakyRelu": Operator(lambda inputs, a: F.leaky_relu(inputs[0], a.number("alpha", 0.01))),
    "Log": _each(torch.log),
    "LpNormalization": Operator(_lp_normalize),
    "MatMul": _both(torch.matmul),
    "Max": _both(torch.maximum),
    "MaxPool": Operator(lambda inputs, attributes: _pool(inputs, attributes, largest=True)),
    "Mean": Operator(_mean),
    "Min": _both(torch.minimum),
    "Mul": _both(torch.mul),
    "Neg": _each(torch.neg),
    "PRelu": Operator(_prelu),
    "Pad": Operator(_pad, numbers=(1,), scalars=(2,)),
    "Pow": _both(torch.pow),
    "Reciprocal": _each(torch.reciprocal),
    "ReduceL2": _reduced(
        lambda values, axes, keepdim: torch.linalg.vector_norm(values, dim=axes, keepdim=keepdim)
    ),
    "ReduceMax": _reduced(torch.amax),
    "ReduceMean": _reduced(torch.mean),
    "ReduceMin": _reduced(torch.amin),
    "ReduceSum": _reduced(torch.sum),
    "Relu": _each(F.relu),
    "Reshape": Operator(_reshape, numbers=(1,)),
    "Shape": Operator(_shape),
    "Sigmoid": _each(torch.sigmoid),
    "Slice": Operator(_slice, numbers=(1, 2, 3, 4)),
    "Softmax": Operator(_softmax),
    "Softplus": _each(F.softplus),
    "Split": Operator(_split, numbers=(1,)),
    "Sqrt": _each(torch.sqrt),
    "Squeeze": Operator(_squeeze, numbers=(1,)),
    "Sub": _both(torch.sub),
    "Sum": _both(torch.add),
    "Tanh": _each(torch.tanh),
    "Transpose": Operator(_transpose),
    "Unsqueeze": Operator(_unsqueeze, numbers=(1,)),
}
