"""From the weights of shift-tolerant LPIPS to the file that `ShiftTolerantModel` reads."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from itportrait.errors import CheckpointError
from itportrait.perception.files import write_converted
from itportrait.perception.shift_tolerant import BLUR, DEPTHS, KIND, WIDTHS, BlurredVgg
from itportrait.weights.checkpoints import open_checkpoint
from itportrait.weights.networks import find_misfits

Stages = tuple[tuple[int, ...], tuple[int, ...]]
PUBLISHED: Stages = (WIDTHS, DEPTHS)


def convert_stlpips(source: Path, target: Path, *, stages: Stages = PUBLISHED) -> None:
    """Write the converted network.

    Args:
        source: a torch file of the package; its pickle is read, and no code of it run.
        target: safetensors file to be made.
        stages: widths and depths of the network that the file must hold.

    Raises:
        CheckpointError: the file holds another network, or one that is blurred otherwise.
    """
    with open_checkpoint(source) as stored:
        tensors = {name: tensor.read() for name, tensor in stored.tensors.items()}
        state = renamed(tensors, stages[1])
        if misfits := find_misfits(BlurredVgg(*stages).state_dict(), state):
            raise CheckpointError(f"is another network; {misfits}")
    write_converted(state, {"widths": stages[0], "depths": stages[1]}, KIND, target)


def renamed(tensors: Mapping[str, Tensor], depths: tuple[int, ...] = DEPTHS) -> dict[str, Tensor]:
    """Return the state of `BlurredVgg` from published names.

    Published stages have convolutions and rectifiers in turn; before each but the first come the
    pooling and its blur, which all count in the names.

    Raises:
        CheckpointError: a tensor is missing, or a blur is another one.
    """
    state, place = dict[str, Tensor](), 0
    for stage, depth in enumerate(depths):
        if stage:
            _check_blur(_take(tensors, f"net.slice{stage + 1}.{place + 1}.filt"))
            place += 2
        for number in range(depth):
            for part in ("weight", "bias"):
                published = _take(tensors, f"net.slice{stage + 1}.{place}.{part}")
                state[f"stages.{stage}.{number}.{part}"] = published
            place += 2
        state[f"heads.{stage}"] = _take(tensors, f"lin{stage}.model.1.weight").flatten()
    state["shift"] = _take(tensors, "scaling_layer.shift").flatten()
    state["scale"] = _take(tensors, "scaling_layer.scale").flatten()
    return state


def _take(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in tensors:
        raise CheckpointError(f"is another network: it lacks {name}")
    return tensors[name]


def _check_blur(published: Tensor) -> None:
    line = torch.tensor(BLUR) / sum(BLUR)
    own = line[:, None] * line
    if published.shape[1:] != (1, 3, 3) or not torch.allclose(published, own.expand_as(published)):
        raise CheckpointError(f"is blurred by another kernel than {BLUR}")
