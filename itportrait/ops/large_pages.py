"""Memory for large results on a CPU, in large pages where the system has them.

The first touch of a page costs a processor under a hypervisor about 2 us. With pages of 4 kB that
is more than many a pass over a large tensor itself takes.
"""

import ctypes
import sys
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

PAGE = 2 << 20
"""Bytes of a large page."""
_ADVICE = 14  # MADV_HUGEPAGE of Linux


def empty_in_large_pages(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return an uninitialized tensor of a type and device; its memory is asked for in large pages.

    Args:
        shape: of the result.
        like: a tensor of the type and device.
    """
    made = like.new_empty(shape)
    advise = _advise()
    if made.device.type == "cpu" and advise is not None:
        begin = -(-made.data_ptr() // PAGE) * PAGE
        end = (made.data_ptr() + made.numel() * made.element_size()) // PAGE * PAGE
        if begin < end:
            advise(begin, end - begin, _ADVICE)  # where it is refused, small pages serve as well
    return made


@cache
def _advise() -> Callable[[int, int, int], int] | None:
    """Return the system's `madvise`, or None where it has none or means something else by it."""
    if not sys.platform.startswith("linux"):
        return None
    function = ctypes.CDLL(None).madvise
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    function.restype = ctypes.c_int
    return function


def multiply_into_large_pages(left: Tensor, right: Tensor) -> Tensor:
    """Return `left @ right` of `[N, P, K]` and `[N, K, Q]`, both without a gradient."""
    shape = (len(left), left.shape[1], right.shape[2])
    return torch.matmul(left, right, out=empty_in_large_pages(shape, left))
