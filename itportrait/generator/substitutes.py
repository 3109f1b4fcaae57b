"""A generator with other tensors in place of some of its parameters, and all else shared.

What tunes a generator to single portraits needs two things that `nn.Module` does not give: values
that are computed (a base plus a difference that is trained), and values of its own for each
portrait of a batch.
"""

# pyright: reportPrivateUsage=false
# A copy of a module that shares its tensors has no public way: copying them is what it avoids.

from collections.abc import Mapping
from typing import Any, TypeVar

from torch import Tensor, nn

from itportrait.errors import InvalidArgumentError

Module = TypeVar("Module", bound=nn.Module)


def substituted(module: Module, values: Mapping[str, Tensor]) -> Module:
    """Return a module that computes with `values`, differentiable in them.

    Args:
        module: a generator, or a part of one. It is not changed, and what is not in `values` is
            shared with it.
        values: parameter name -> tensor of the parameter's shape, or `[N, *shape]`: a value of its
            own for each sample of the batches that the result is called with.

    Raises:
        InvalidArgumentError: no such parameter, or a value of another shape.
    """
    parameters = dict(module.named_parameters())
    for name, value in values.items():
        old = parameters.get(name)
        if old is None:
            raise InvalidArgumentError("values", expected="names of parameters", actual=name)
        if value.shape not in (old.shape, (*value.shape[:1], *old.shape)):
            raise InvalidArgumentError(
                f"value of {name}",
                expected=f"{list(old.shape)}, or one such for each sample",
                actual=list(value.shape),
            )
    return _copy(module, values, "")


def _copy(module: Module, values: Mapping[str, Tensor], prefix: str) -> Module:
    """Return a copy of the tree of modules alone: its tensors are the same objects."""
    clone = module.__new__(type(module))
    clone.__dict__ = module.__dict__.copy()
    tensors: dict[str, Any] = {
        name: values.get(prefix + name, old) for name, old in module._parameters.items()
    }
    clone._parameters = tensors
    clone._modules = {
        name: None if child is None else _copy(child, values, f"{prefix}{name}.")
        for name, child in module._modules.items()
    }
    return clone
