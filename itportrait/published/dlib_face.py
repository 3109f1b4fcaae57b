"""From dlib's face recognition network to the file that `FaceResnetModel` reads."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from itportrait.errors import CheckpointError
from itportrait.perception.face_resnet import (
    CHIP_SIZE,
    DEPTHS,
    KIND,
    NUMBERS,
    WIDTHS,
    FaceResnet,
)
from itportrait.perception.files import write_converted
from itportrait.weights.dlib_file import DlibLayer, DlibNetwork, open_dlib_network

Stages = tuple[tuple[int, ...], tuple[int, ...]]
PUBLISHED: Stages = (WIDTHS, DEPTHS)


def convert_dlib_face(source: Path, target: Path, *, stages: Stages = PUBLISHED) -> None:
    """Write the converted network.

    Args:
        source: a `.dat` of dlib's.
        target: safetensors file to be made.
        stages: widths and depths of the network that the file must hold.

    Raises:
        CheckpointError: the file holds another network, or is damaged.
    """
    with open_dlib_network(source) as network:
        state = state_of(network, *stages)
    config = {"widths": stages[0], "depths": stages[1], "numbers": len(state["head.weight"])}
    write_converted(state, config, KIND, target)


def state_of(
    network: DlibNetwork, widths: tuple[int, ...] = WIDTHS, depths: tuple[int, ...] = DEPTHS
) -> dict[str, Tensor]:
    """Return the state of `FaceResnet` from the layers of a file.

    Raises:
        CheckpointError: the layers are not those of this network.
    """
    if (network.height, network.width) != (CHIP_SIZE, CHIP_SIZE):
        raise CheckpointError(f"is for pictures of {network.width} x {network.height} pixels")
    layers = _Layers(network.layers)
    state = {"mean": torch.tensor(network.mean)}
    state |= layers.convolution("stem", inputs=3, outputs=widths[0], side=7, halved=True)
    layers.expect("relu")
    layers.expect("max_pool", (3, 3, 2, 2, 0, 0))
    inputs, block = widths[0], 0
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        for number in range(depth):
            halved = stage > 0 and number == 0
            name = f"blocks.{block}"
            layers.expect("mark")
            state |= layers.convolution(f"{name}.first", inputs, width, halved=halved)
            layers.expect("relu")
            state |= layers.convolution(f"{name}.second", width, width)
            if halved:
                for _ in range(2):
                    layers.expect("mark")
                layers.expect("avg_pool", (2, 2, 2, 2, 0, 0))
            layers.expect("add_prev")
            layers.expect("relu")
            inputs, block = width, block + 1
    layers.expect("avg_pool", (0, 0, 1, 1, 0, 0))
    head = layers.expect("fc", (NUMBERS, inputs))
    state["head.weight"] = _values(head).reshape(inputs, NUMBERS).T.contiguous()
    layers.expect_end()
    own = FaceResnet(widths, depths).state_dict()
    if [*state] != [*own]:
        raise CheckpointError(f"gives {', '.join(state)} instead of {', '.join(own)}")
    return state


class _Layers:
    """The layers of a file, taken one by one; each must be what the network has there."""

    def __init__(self, layers: list[DlibLayer]) -> None:
        self._layers, self._taken = layers, 0
        self._next: Iterator[DlibLayer] = iter(layers)

    def expect(self, kind: str, sizes: tuple[int, ...] = ()) -> DlibLayer:
        layer = next(self._next, None)
        found = "its end" if layer is None else f"{layer.kind} {layer.sizes}"
        if layer is None or (layer.kind, layer.sizes) != (kind, sizes):
            raise CheckpointError(
                f"is another network: layer {self._taken} must be {kind} {sizes}, and is {found}"
            )
        self._taken += 1
        return layer

    def expect_end(self) -> None:
        if (layer := next(self._next, None)) is not None:
            raise CheckpointError(f"is another network: {layer.kind} follows its last layer")

    def convolution(
        self, name: str, inputs: int, outputs: int, *, side: int = 3, halved: bool = False
    ) -> dict[str, Tensor]:
        """Return weight and bias of a convolution with the factors and addends that follow it."""
        stride, padding = (2, 0) if halved else (1, side // 2)
        sizes = (outputs, side, side, stride, stride, padding, padding)
        values = _values(self.expect("con", sizes))
        shape = (outputs, inputs, side, side)
        if values.numel() != outputs * inputs * side * side + outputs:
            raise CheckpointError(f"is another network: {name} has not {inputs} inputs")
        factors, addends = _values(self.expect("affine", (outputs,))).view(2, outputs)
        weight, bias = values[:-outputs].reshape(shape), values[-outputs:]
        return {
            f"{name}.weight": weight * factors[:, None, None, None],
            f"{name}.bias": bias * factors + addends,
        }


def _values(layer: DlibLayer) -> Tensor:
    if layer.values is None:
        raise CheckpointError(f"{layer.kind} has no values")
    return layer.values.read()
