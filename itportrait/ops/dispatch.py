"""`Op`: one operation with its definition and any number of faster implementations.

An op's folder has `reference.py`, which defines it in plain PyTorch, and a file for each further
implementation. Triton kernels lie in `itportrait/kernels`, and C++ in `itportrait/native`. `op.py`
validates arguments and calls the `Op`, which takes the first implementation that admits the tensors
and can be had on this machine.
Other packages add theirs by `Op.add`, and it is used from then on.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from itportrait.errors import InvalidArgumentError, UnknownNameError
from itportrait.ops.loader import NativeOpError

AUTO, REFERENCE = "auto", "reference"


def admit_all(tensors: list[Tensor]) -> str:
    """Admit every device and type."""
    return ""


def admit_cpu_float32(tensors: list[Tensor]) -> str:
    """Admit float32 tensors on a CPU; else return what came instead."""
    for tensor in tensors:
        if tensor.device.type != "cpu" or tensor.dtype != torch.float32:
            return f"takes CPU float32 tensors, got {tensor.dtype} on {tensor.device}"
    return ""


def always_there() -> str:
    """Need nothing of the machine."""
    return ""


@dataclass(frozen=True)
class Implementation:
    """One way to compute an op.

    Args:
        name: users ask for it by this name.
        function: takes the same arguments as the reference.
        refusal: given the tensors among the arguments, returns why they are not admitted, or "".
        absence: returns why it cannot be had on this machine, or "".
    """

    name: str
    function: Callable[..., Any]
    refusal: Callable[[list[Tensor]], str] = admit_all
    absence: Callable[[], str] = always_there


class Op:
    """An operation: call it as its reference, and the best implementation computes it.

    Args:
        name: of the operation.
        reference: its definition in plain PyTorch, for every device and type.
        implementations: the faster ones, best first.
    """

    def __init__(
        self,
        name: str,
        reference: Callable[..., Any],
        implementations: Iterable[Implementation] = (),
    ) -> None:
        self.name, self.reference = name, reference
        self.implementations: list[Implementation] = []
        for implementation in implementations:
            self.add(implementation)

    def add(self, implementation: Implementation, *, first: bool = False) -> None:
        """Add an implementation, behind the others or `first`.

        Raises:
            InvalidArgumentError: the name is taken.
        """
        if implementation.name in self.backends:
            raise InvalidArgumentError(
                f"implementation of {self.name!r}",
                expected=f"a name other than {', '.join(self.backends)}",
                actual=repr(implementation.name),
            )
        self.implementations.insert(0 if first else len(self.implementations), implementation)

    def remove(self, name: str) -> None:
        """Take an implementation away again.

        Raises:
            UnknownNameError: there is none of this name.
        """
        found = [item for item in self.implementations if item.name == name]
        if not found:
            known = [item.name for item in self.implementations]
            raise UnknownNameError(f"implementation of {self.name!r}", name, known)
        self.implementations.remove(found[0])

    @property
    def backends(self) -> list[str]:
        """The names that `backend` may have."""
        return [AUTO, REFERENCE, *(item.name for item in self.implementations)]

    def __call__(self, *args: Any, backend: str = AUTO, **options: Any) -> Any:
        """Compute the op.

        Args:
            args: as the reference takes them.
            backend: `auto`, `reference`, or the name of an implementation.
            options: as the reference takes them.

        Raises:
            InvalidArgumentError: no such backend.
            NativeOpError: an implementation asked for by name does not admit the tensors, or is not
                available; says why.
        """
        tensors = list(_tensors((*args, *options.values())))
        return self.choose(tensors, backend)(*args, **options)

    def choose(self, tensors: list[Tensor], backend: str = AUTO) -> Callable[..., Any]:
        """Return the function that computes the op for these tensors; see `__call__`."""
        if backend not in self.backends:
            raise InvalidArgumentError(
                "backend", expected=f"one of {', '.join(self.backends)}", actual=repr(backend)
            )
        if backend == REFERENCE:
            return self.reference
        for item in self.implementations:
            if backend not in (AUTO, item.name):
                continue
            reason = item.refusal(tensors) or item.absence()
            if not reason:
                return item.function
            if backend == item.name:
                raise NativeOpError(
                    f"{item.name!r} of op {self.name!r} cannot be used: {reason}; "
                    f"use backend={AUTO!r}"
                )
        return self.reference

    def is_native(self, *args: Any) -> bool:
        """Return whether an implementation other than the reference computes these arguments."""
        return self.choose(list(_tensors(args))) is not self.reference

    def explain(self) -> dict[str, str]:
        """Return the implementations by name, each with why it is absent here, or ""."""
        return {item.name: item.absence() for item in self.implementations}


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _tensors(value)
