"""`decode_features`: the decoder of a tri-plane generator; native on a CPU.

A render decodes some ten thousand points per view, through layers so small that the library spends
most of its time storing what lies between them. Ours keeps sixteen points in registers from the
features to the colors, and computes the hidden layer again on the way back instead of storing it.
"""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from itportrait.errors import InvalidArgumentError
from itportrait.ops.decode_features.reference import decode_features_reference
from itportrait.ops.loader import Backend, NativeOpError, use_native

SOURCE = Path(__file__).with_name("op.cpp")
Layer = tuple[Tensor, Tensor]


def decode_features(
    features: Tensor, hidden: Layer, output: Layer, *, backend: Backend = "auto"
) -> tuple[Tensor, Tensor]:
    """Map features to density and colors: linear, softplus, linear, sigmoid of all but the first.

    Args:
        features: `[M, C]`.
        hidden: weight `[H, C]` and bias `[H]`.
        output: weight `[1 + K, H]` and bias `[1 + K]`; K may be 0.
        backend: `auto` (native for float32 on a CPU, if it can be had), `native` or `reference`.
            The native op is differentiable once, in everything.

    Returns:
        `(sigma [M, 1], color [M, K])`: density before its softplus, colors in (0, 1).

    Raises:
        InvalidArgumentError: shapes that do not fit, or no such backend.
        NativeOpError: `native` was asked for and is not available.
    """
    _check(features, hidden, output)
    tensors = (features, *hidden, *output)
    fits = all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)
    if not fits and backend == "native":
        raise NativeOpError(
            "native op 'decode_features' takes CPU float32 tensors, got "
            f"{features.dtype} on {features.device}; use backend='auto'"
        )
    library = use_native(SOURCE, backend) if fits else None
    if library is None:
        return decode_features_reference(features, hidden, output)
    return _DecodeFeatures.apply(*tensors)


def _check(features: Tensor, hidden: Layer, output: Layer) -> None:
    if features.ndim != 2:
        raise InvalidArgumentError("features", expected="[M, C]", actual=list(features.shape))
    width = features.shape[1]
    for name, (weight, bias) in (("hidden", hidden), ("output", output)):
        if weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:
            raise InvalidArgumentError(
                name,
                expected=f"weight [O, {width}] and bias [O]",
                actual=f"{list(weight.shape)} and {list(bias.shape)}",
            )
        width = weight.shape[0]


class _DecodeFeatures(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor
    ) -> tuple[Tensor, Tensor]:
        inputs = [t.contiguous() for t in (features, weight1, bias1, weight2, bias2)]
        sigma = features.new_empty(len(features), 1)
        color = features.new_empty(len(features), len(bias2) - 1)
        _library().decode_features_forward(*_pointers(*inputs, sigma, color), *_sizes(*inputs))
        ctx.save_for_backward(*inputs, color)
        return sigma, color

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_sigma: Tensor, grad_color: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, color = ctx.saved_tensors
        features, weight1, bias1, weight2, bias2 = inputs
        wants_features, *wants_layers = ctx.needs_input_grad
        grad_features = torch.empty_like(features) if wants_features else None
        layers: list[Tensor | None] = [None] * 4
        if any(wants_layers):
            layers = [torch.zeros_like(t) for t in (weight1, bias1, weight2, bias2)]
        given = (grad_sigma.contiguous(), grad_color.contiguous())
        _library().decode_features_backward(
            *_pointers(*inputs, color, *given, grad_features, *layers), *_sizes(*inputs)
        )
        return grad_features, *layers


@cache
def _library() -> ctypes.CDLL:
    library = use_native(SOURCE, "native")
    assert library is not None
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    for function, pointers in (
        (library.decode_features_forward, 7),
        (library.decode_features_backward, 13),
    ):
        function.argtypes, function.restype = [pointer] * pointers + [integer] * 5, None
    return library


def _pointers(*tensors: Tensor | None) -> list[int | None]:
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]


def _sizes(
    features: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor
) -> tuple[int, ...]:
    return *features.shape, len(bias1), len(bias2), torch.get_num_threads()
