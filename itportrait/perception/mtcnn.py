"""P-, R- and O-Net of MTCNN, and the published weights as the `mtcnn` distribution ships them.

Source: Zhang et al. 2016, "Joint Face Detection and Alignment using Multi-task Cascaded
Convolutional Networks". Weights: `mtcnn` on the package index (MIT). Its Python imports TensorFlow,
so its files are found through the distribution's metadata and read without importing it.
"""

import io
import math
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from itportrait.errors import CheckpointError, MissingModelError, UnsafeCheckpointError
from itportrait.weights.limits import Limits
from itportrait.weights.pickle_machine import PickleMachine, Record
from itportrait.weights.windows import Window, fence

_LARGEST_FILE = 1 << 26


class ProposalNet(nn.Module):
    """Score every 12 x 12 window, 2 px apart, of a picture of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 10, 3),
            nn.PReLU(10),
            nn.MaxPool2d(2, 2, ceil_mode=True),
            nn.Conv2d(10, 16, 3),
            nn.PReLU(16),
            nn.Conv2d(16, 32, 3),
            nn.PReLU(32),
        )
        self.box = nn.Conv2d(32, 4, 1)
        self.face = nn.Conv2d(32, 2, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the face probability `[N, h, w]` and box offsets `[N, 4, h, w]` of
        `[N, 3, H, W]`."""
        features = self.features(image)
        return self.face(features).softmax(1)[:, 1], self.box(features)


class _CropNet(nn.Module):
    """What R- and O-Net share: convolutions, a dense layer on transposed features, linear heads."""

    features: nn.Sequential
    dense: nn.Sequential
    heads: nn.ModuleDict

    def forward(self, crops: Tensor) -> dict[str, Tensor]:
        """Return `face` `[N]` (probability), `box` `[N, 4]` and, from O-Net, `points` `[N, 10]`."""
        features = self.features(crops)
        # The weights come from MATLAB, where a picture is (x, y, channel): the dense layer's
        # inputs keep that order. "Fixing" it would mean permuting the published weights.
        features = self.dense(features.permute(0, 3, 2, 1).flatten(1))
        out = {name: head(features) for name, head in self.heads.items()}
        out["face"] = out["face"].softmax(1)[:, 1]
        return out


class RefineNet(_CropNet):
    """Judge 24 x 24 crops and correct their boxes."""

    size = 24

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 28, 3),
            nn.PReLU(28),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.Conv2d(28, 48, 3),
            nn.PReLU(48),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(48, 64, 2),
            nn.PReLU(64),
        )
        self.dense = nn.Sequential(nn.Linear(576, 128), nn.PReLU(128))
        self.heads = nn.ModuleDict({"box": nn.Linear(128, 4), "face": nn.Linear(128, 2)})


class OutputNet(_CropNet):
    """Judge 48 x 48 crops, correct their boxes and place five points."""

    size = 48

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 3),
            nn.PReLU(32),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.Conv2d(32, 64, 3),
            nn.PReLU(64),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 64, 3),
            nn.PReLU(64),
            nn.MaxPool2d(2, 2, ceil_mode=True),
            nn.Conv2d(64, 128, 2),
            nn.PReLU(128),
        )
        self.dense = nn.Sequential(nn.Linear(1152, 256), nn.PReLU(256))
        self.heads = nn.ModuleDict(
            {"box": nn.Linear(256, 4), "points": nn.Linear(256, 10), "face": nn.Linear(256, 2)}
        )


def load_published(network: nn.Module, arrays: list[np.ndarray], name: str) -> None:
    """Copy arrays in TensorFlow's layout into `network`, in the order of its parameters.

    Args:
        arrays: kernels `[kh, kw, in, out]`, dense `[in, out]`, PReLU `[1, 1, C]` or `[C]`, biases.

    Raises:
        CheckpointError: the count or a shape does not fit.
    """
    parameters = list(network.named_parameters())
    if len(parameters) != len(arrays):
        raise CheckpointError(
            f"{name}: expected {len(parameters)} arrays, got {len(arrays)}; "
            "reinstall it with `pip install --force-reinstall 'mtcnn>=1,<2'`"
        )
    for (key, parameter), array in zip(parameters, arrays, strict=True):
        if array.ndim == 4:
            array = array.transpose(3, 2, 0, 1)
        elif array.ndim == 2:
            array = array.T
        elif array.ndim == 3:
            array = array.reshape(-1)
        if tuple(array.shape) != tuple(parameter.shape):
            raise CheckpointError(
                f"{name}: {key} must have shape {list(parameter.shape)}, got {list(array.shape)}"
            )
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(np.array(array, dtype=np.float32, order="C")))


def weights_folder() -> Path:
    """Return the folder of the published weights inside the installed `mtcnn` distribution.

    Raises:
        MissingModelError: the distribution or its weights are not installed.
    """
    remedy = "install them with `pip install 'mtcnn>=1,<2'` (its Python is not imported)"
    try:
        folder = Path(str(distribution("mtcnn").locate_file("mtcnn/assets/weights")))
    except PackageNotFoundError:
        raise MissingModelError(
            f"the face detector's weights are not installed; {remedy}"
        ) from None
    missing = [n for n in ("pnet", "rnet", "onet") if not (folder / f"{n}.lz4").is_file()]
    if missing:
        raise MissingModelError(
            f"the face detector's weights {', '.join(missing)} are missing in {folder}; {remedy}"
        )
    return folder


def read_joblib_arrays(path: Path) -> list[np.ndarray]:
    """Read a list of plain arrays from an lz4-compressed joblib file, running none of its code.

    Raises:
        MissingModelError: the file or the `lz4` package is absent.
        UnsafeCheckpointError: the pickle asks for anything but plain arrays.
        CheckpointError: the file is truncated or not such a file.
    """
    try:
        import lz4.frame
    except ImportError:
        raise MissingModelError(
            "reading the face detector's weights needs lz4; install it with `pip install lz4`"
        ) from None
    if not path.is_file():
        raise MissingModelError(f"{path} does not exist; reinstall mtcnn")
    with fence(path):
        try:
            with lz4.frame.open(str(path), "rb") as stream:
                data = bytes(stream.read(_LARGEST_FILE + 1))  # type: ignore[arg-type]
        except (EOFError, RuntimeError) as error:
            raise CheckpointError(f"it is truncated or altered: {error}") from error
        if len(data) > _LARGEST_FILE:
            raise CheckpointError(f"it expands to more than {_LARGEST_FILE >> 20} MB")
        return _read_arrays(data)


def _read_arrays(data: bytes) -> list[np.ndarray]:
    window, limits = Window(io.BytesIO(data), 0, len(data)), Limits(len(data))

    def read_array(record: Record) -> Any:
        # joblib puts an array's bytes between the pickle's own, behind the state of its wrapper.
        return _array_of(record.state, window) if record.name == _WRAPPER else record

    arrays = PickleMachine(window, limits, _find_record, on_build=read_array).run()
    if type(arrays) is not list or not all(isinstance(a, np.ndarray) for a in arrays):
        raise CheckpointError("it must hold a list of arrays")
    return arrays


_WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
_NAMES = (_WRAPPER, "numpy.ndarray", "numpy.dtype")
_DTYPES = {"f4": np.dtype("<f4"), "f8": np.dtype("<f8"), "f2": np.dtype("<f2")}


class _ArrayPart(Record):
    """A record for joblib's wrapper, whose state says what bytes follow it, and for array types."""

    __slots__ = ()

    def call(self, args: tuple[Any, ...]) -> "_ArrayPart":
        return _ArrayPart(self.name, args)

    def build(self, state: Any) -> None:
        self.state = state


def _find_record(module: str, name: str) -> Record:
    full = f"{module}.{name}"
    if full not in _NAMES:
        raise UnsafeCheckpointError(
            f"it asks for {full if full.isprintable() else ascii(full)}, which is not a plain array"
        )
    return _ArrayPart(full)


def _array_of(state: Any, window: Window) -> np.ndarray:
    """Return the array whose header a pickle has just given."""
    header = state if type(state) is dict else {}
    shape, kind = header.get("shape"), header.get("dtype")
    name = kind.args[0] if isinstance(kind, Record) and kind.args else None
    if type(name) is not str or name not in _DTYPES:
        raise UnsafeCheckpointError("it holds an array of other values than numbers")
    if type(shape) is not tuple or not all(type(n) is int and 0 <= n < 1 << 32 for n in shape):
        raise CheckpointError("it is truncated or altered: an array has no valid shape")
    if header.get("numpy_array_alignment_bytes") is not None:
        window.take(window.take(1)[0])
    dtype = _DTYPES[name]
    values = np.frombuffer(window.skip(math.prod(shape) * dtype.itemsize).read(), dtype)
    return values.reshape(shape, order="F" if header.get("order") == "F" else "C")
