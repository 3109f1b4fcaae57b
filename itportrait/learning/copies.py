"""Copies of named tensors: what a run keeps of tensors that go on changing."""

from collections.abc import Mapping

from torch import Tensor


def copied(tensors: Mapping[str, Tensor], device: str | None = None) -> dict[str, Tensor]:
    """Return copies of tensors, without what they were computed from.

    Args:
        tensors: by name.
        device: where the copies are; None leaves each where its original is.
    """
    return {name: v.detach().to(device or v.device, copy=True) for name, v in tensors.items()}
