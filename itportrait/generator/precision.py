"""What a generator computes with: float32, or half precision where it is safe and pays.

In `fast`, backbone and super-resolution work in bfloat16, whose range is that of float32; a
super-resolution that was published in float16 on a GPU, with clamped activations, keeps it there.
Weights, styles, demodulation, skip images, volume rendering and all losses stay in float32, so
that training has float32 master weights. On a GPU, products of float32 may be TF32. On a CPU
without bfloat16 units (AMX), half precision is slower than float32 and not used.
"""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar

import torch

logger = logging.getLogger(__name__)

PrecisionName = Literal["fp32", "fast"]
"""What can be asked for."""

NO_UNITS = "this CPU has no bfloat16 units (AMX), without which half precision is slower"
OTHER_FAMILY = "generators of this family compute in float32 alone"


@dataclass(frozen=True)
class Precision:
    """What a generator computes with.

    Args:
        used: what people are told: `fp32`, or the types in use.
        half: type of backbone and super-resolution; None is float32, but for a super-resolution
            that was published in half precision, on a GPU.
        tf32: whether a GPU may round the factors of float32 products to TF32.
    """

    used: str = "fp32"
    half: torch.dtype | None = None
    tf32: bool = False

    @contextmanager
    def applied(self) -> Generator[None]:
        """Let the libraries of a GPU follow `tf32` for the time of the block."""
        backends: Any = torch.backends  # whose modules have no types
        libraries = (backends.cuda.matmul, backends.cudnn.conv)
        before = [library.fp32_precision for library in libraries]
        for library in libraries:
            library.fp32_precision = "tf32" if self.tf32 else "ieee"
        try:
            yield
        finally:
            for library, former in zip(libraries, before):
                library.fp32_precision = former


class HasPrecision(Protocol):
    """What computes in a precision of its own."""

    precision: Precision


Own = TypeVar("Own", bound=HasPrecision)
Rest = ParamSpec("Rest")
Result = TypeVar("Result")


def in_own_precision(
    method: Callable[Concatenate[Own, Rest], Result],
) -> Callable[Concatenate[Own, Rest], Result]:
    """Let a method apply its object's precision, whoever calls it.

    A GPU's convolutions are rounded to TF32 unless they are told otherwise. Backward passes come
    after the method; who trains applies the precision around both.
    """

    @wraps(method)
    def applied(self: Own, /, *args: Rest.args, **kwargs: Rest.kwargs) -> Result:
        with self.precision.applied():
            return method(self, *args, **kwargs)

    return applied


FP32 = Precision()
BF16 = Precision("bf16", torch.bfloat16)
ON_GPU = Precision("bf16 and tf32", torch.bfloat16, tf32=True)


def precision_on(device: torch.device, asked: PrecisionName) -> Precision:
    """Return what is used on a device; says once where `fast` is not to be had.

    Args:
        device: of the generator.
        asked: `fp32` or `fast`.
    """
    if asked == "fp32":
        return FP32
    if device.type == "cuda":
        return ON_GPU
    if has_bf16_units():
        return BF16
    say_once(NO_UNITS)
    return FP32


def has_bf16_units(about: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether this CPU multiplies matrices of bfloat16 in units of their own (AMX).

    Args:
        about: what the system tells of its CPUs; one that tells nothing has none.
    """
    try:
        lines = about.read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith("flags") and "amx_bf16" in line.split() for line in lines)


@cache
def say_once(reason: str) -> None:
    """Log why float32 is used though `fast` was asked for, once a process."""
    logger.warning("precision: fast was asked for, and fp32 is used: %s", reason)
