"""How kernels run: on a GPU, or in Triton's interpreter. Imports no Triton.

With `TRITON_INTERPRET=1` in the environment when a process starts, Triton's interpreter runs them
in NumPy on a CPU: exact enough to test them, and far too slow for anything else.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor


def interpreted() -> bool:
    """Whether Triton's interpreter runs the kernels of this process, on a CPU."""
    return os.environ.get("TRITON_INTERPRET", "").lower() in ("1", "true", "on", "yes", "y")


def on_device_of(tensor: Tensor) -> AbstractContextManager[Any]:
    """Return a context in which kernels start on the device of a tensor."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()


def precision_of(*tensors: Tensor) -> str:
    """Return how products of matrices are computed where all else is float32.

    In three TF32 products, nearly as exact as float32, where PyTorch is to keep to float32 and no
    tensor is of half precision; else in one.
    """
    half = any(tensor.dtype != torch.float32 for tensor in tensors)
    return "tf32" if half or torch.get_float32_matmul_precision() != "highest" else "tf32x3"


def block_of(size: int, least: int = 16) -> int:
    """Return the power of two that holds `size` elements; products need 16 of them."""
    return max(least, 1 << (size - 1).bit_length()) if size > 0 else least


def as_pixels(x: Tensor) -> tuple[Tensor, tuple[int, int, int, int]]:
    """Return pictures `[N, C, H, W]` in one run of memory, and how to read them.

    Returns:
        The pictures, in `channels_last` where they are in it and else channel by channel; and
        numbers of pixels and channels of each, and the strides of pixels and of channels.
    """
    channels, pixels = x.shape[1], x.shape[2] * x.shape[3]
    if x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous():
        return x, (pixels, channels, channels, 1)
    return x.contiguous(), (pixels, channels, 1, pixels)
