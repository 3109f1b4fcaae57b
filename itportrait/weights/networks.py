"""From a file of weights to a network, whose shapes are compared before memory is taken."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from itportrait.errors import CheckpointError, MissingModelError
from itportrait.weights.limits import Limits
from itportrait.weights.mistaken import refuse_mistaken
from itportrait.weights.safetensors import SafetensorsFile, open_safetensors
from itportrait.weights.stored import StoredTensor, read_tensor
from itportrait.weights.windows import Window, fence

Network = TypeVar("Network", bound=nn.Module)
Tensors = Mapping[str, StoredTensor] | Mapping[str, Tensor]


@contextmanager
def open_weights(path: str | Path) -> Iterator[SafetensorsFile]:
    """Open a safetensors file without reading its tensors.

    Raises:
        MissingModelError: no such file.
        CheckpointError: the file is truncated or malformed; also what the block raises about it.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingModelError(f"no weights at {path}")
    with fence(path), path.open("rb") as file:
        size = path.stat().st_size
        refuse_mistaken(file)
        yield open_safetensors(Window(file, 0, size), Limits(size))


def shapes_of(build: Callable[[], nn.Module]) -> dict[str, Tensor]:
    """Return the state of the network that `build` makes, without memory for it.

    Args:
        build: makes the network from a configuration whose numbers are bounded.

    Raises:
        CheckpointError: the configuration makes none.
    """
    try:
        with torch.device("meta"):
            return build().state_dict()
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise CheckpointError(f"its configuration makes no network: {error}") from error
    except RuntimeError as error:  # torch raises it for sizes that it cannot count
        raise CheckpointError(f"its configuration makes no network: {error}") from error


def find_misfits(own: Mapping[str, Tensor], tensors: Tensors, *, optional: str = "") -> str:
    """Return in words what of a file does not fit a network; nothing if all fits.

    Args:
        own: the network's state.
        tensors: of the file.
        optional: end of the names that a file may lack, or have besides.
    """
    needed = {name for name in (*own, *tensors) if not (optional and name.endswith(optional))}
    misfits = {
        "missing": [name for name in own if name not in tensors and name in needed],
        "misshapen": [
            f"{name} {list(tensors[name].shape)} instead of {list(value.shape)}"
            for name, value in own.items()
            if name in tensors and tuple(tensors[name].shape) != tuple(value.shape)
        ],
        "unknown": [name for name in tensors if name not in own and name in needed],
        "of another type": [
            f"{name} {tensors[name].dtype}"
            for name, value in own.items()
            if name in tensors
            and value.dtype.is_floating_point
            and not tensors[name].dtype.is_floating_point  # a byte would become four
        ],
    }
    return "; ".join(f"{kind}: {_shorten(names)}" for kind, names in misfits.items() if names)


def load_network(build: Callable[[], Network], tensors: Mapping[str, StoredTensor]) -> Network:
    """Make a network and read its weights; evaluate only, no gradient to the weights.

    Args:
        build: makes the network from a configuration whose numbers are bounded.
        tensors: of the file.

    Raises:
        CheckpointError: tensors are missing, unknown or misshapen; nothing has been read then.
    """
    if misfits := find_misfits(shapes_of(build), tensors):
        raise CheckpointError(f"does not fit its network; {misfits}")
    network = build()
    copy_weights(network.state_dict(), tensors)
    return network.eval().requires_grad_(False)


@torch.no_grad()
def copy_weights(own: Mapping[str, Tensor], tensors: Tensors) -> None:
    """Copy weights into a network's state, one tensor at a time."""
    for name, value in own.items():
        value.copy_(read_tensor(tensors[name]))


def _shorten(names: list[str], limit: int = 6) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
