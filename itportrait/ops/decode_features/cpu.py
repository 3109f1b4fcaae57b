"""`decode_features` on a CPU in native code.

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

from itportrait import native
from itportrait.ops.decode_features.reference import Layer
from itportrait.ops.loader import open_library

SOURCE = Path(native.__file__).with_name("decode_features") / "cpu.cpp"


def decode_features_cpu(features: Tensor, hidden: Layer, output: Layer) -> tuple[Tensor, Tensor]:
    """Map features to density and colors; float32, differentiable once, in everything."""
    return _DecodeFeatures.apply(features, *hidden, *output)


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
    library = open_library(SOURCE)
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
