"""Devices that models run on, checked before anything is loaded or written."""

import torch

from itportrait.errors import InvalidArgumentError


def torch_device(name: str | torch.device, *, argument: str = "device") -> torch.device:
    """Return the device that a name means.

    Args:
        name: `auto` (cuda where there is one, else cpu), `cpu`, `cuda` or `cuda:N`.
        argument: what the user calls it.

    Raises:
        InvalidArgumentError: it is none of these, or this machine has no such device.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if count else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, ValueError):
        device = None
    if device is None or not (device.type == "cuda" or str(device) == "cpu"):
        raise InvalidArgumentError(
            argument,
            expected="auto, cpu, cuda or cuda:N",
            actual=repr(str(name)),
            remedy="use auto, which is cuda where there is one",
        )
    if device.type == "cuda" and (device.index or 0) >= count:
        seen = f"where {count} are seen" if count else "where no GPU is seen"
        raise InvalidArgumentError(
            argument,
            expected="one of this machine",
            actual=f"{device}, {seen}",
            remedy="use cpu, or see `itportrait doctor`",
        )
    return device
