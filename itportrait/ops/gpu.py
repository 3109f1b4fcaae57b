"""Triton kernels as implementations of ops: where they can be used.

Kernels are imported when one is first asked for, and Triton with them: the package runs without it.
"""

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from itportrait.kernels.running import interpreted
from itportrait.ops.dispatch import Implementation

TYPES = (torch.float32, torch.float16, torch.bfloat16)
"""What kernels read and write; they compute in float32."""
NO_DEVICE = "needs a CUDA device"
"""Why kernels for a GPU are absent where there is none: nothing is missing then."""
LEAST_CAPABILITY = (8, 0)
"""Oldest GPU that is tried: the first generation with the tensor cores that Triton needs."""


def admit_gpu(tensors: list[Tensor]) -> str:
    """Admit tensors on a CUDA device, or on a CPU under the interpreter; else return what came."""
    device = "cpu" if interpreted() else "cuda"
    for tensor in tensors:
        if tensor.device.type != device or tensor.dtype not in TYPES:
            return (
                f"takes float32, float16 and bfloat16 tensors on {device}, "
                f"got {tensor.dtype} on {tensor.device}"
            )
    return ""


@cache
def absence() -> str:
    """Return why Triton kernels cannot run on this machine, or ""."""
    if not interpreted():
        if torch.version.cuda is None or not torch.cuda.is_available():
            return NO_DEVICE
        if (found := torch.cuda.get_device_capability()) < LEAST_CAPABILITY:
            least, actual = (".".join(map(str, pair)) for pair in (LEAST_CAPABILITY, found))
            return f"needs a GPU of compute capability {least}, this one has {actual}"
    try:
        importlib.import_module("triton")
    except ModuleNotFoundError:
        return "needs triton, which is not installed; pip install triton"
    except Exception as error:
        return f"needs triton, whose import fails: {type(error).__name__}: {error}"
    return ""


def triton_kernel(
    module: str, function: str, refusal: Callable[[list[Tensor]], str] = admit_gpu
) -> Implementation:
    """Return the implementation `triton` of an op, whose module is imported when it is first used.

    Args:
        module: whole name of the module with the kernels.
        function: its function that computes the op.
        refusal: as in `Implementation`.
    """

    def compute(*args: Any, **options: Any) -> Any:
        return getattr(importlib.import_module(module), function)(*args, **options)

    return Implementation("triton", compute, refusal, absence)
