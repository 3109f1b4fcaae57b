"""What is rendered: codes of the generator, the cameras they are seen from, and what was tuned."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.generator import Generator
from itportrait.geometry.camera import check_camera
from itportrait.records import InvertedRecord
from itportrait.styles.delta_file import decode_changes, encode_changes
from itportrait.styles.shares import share_at_full, share_within


@dataclass(frozen=True)
class WeightDelta:
    """What one portrait changes in the generator's weights, beyond its code.

    A tuned portrait in a style of weights is rendered by base + this + strength * the style, but
    for those layers whose share falls as the style comes in (`itportrait.styles.shares`). A
    difference that fades is multiplied by 1 - strength as a whole, and is gone at full strength.

    Args:
        changes: parameter name -> difference from the base generator.
        rank: of each weight matrix's difference, if that is low: files then keep two factors. None
            means that differences may have any rank.
        fades: whether the difference fades as a style comes in, because adapted weights give it
            another meaning.
    """

    changes: Mapping[str, Tensor] = field(repr=False)
    rank: int | None = None
    fades: bool = False

    def to(self, device: torch.device | str) -> Self:
        """Return the same difference on another device."""
        changes = {name: change.to(device) for name, change in self.changes.items()}
        return replace(self, changes=changes)

    def within(self, style: float) -> Self | None:
        """Return what counts of it where a style is in, from 0 (not at all) to 1; None if nothing.

        See `fades` and `itportrait.styles.shares`.
        """
        shares = {
            name: share_within(0.0 if self.fades else share_at_full(name), style)
            for name in self.changes
        }
        if all(share == 1 for share in shares.values()):
            return self
        changes = {name: shares[name] * c for name, c in self.changes.items() if shares[name]}
        return replace(self, changes=changes) if changes else None

    def to_bytes(self) -> bytes:
        """Return the file that records keep; `delta_file` says what it holds."""
        return encode_changes(self.changes, self.rank, fades=self.fades)

    @classmethod
    def from_bytes(cls, data: bytes, *, source: str = "weights of a portrait") -> Self:
        """Read what `to_bytes` wrote.

        Args:
            data: content of the file.
            source: its name, for errors.

        Raises:
            CheckpointError: truncated, or no such file.
        """
        changes, fades = decode_changes(data, source)
        return cls(changes, fades=fades)


@dataclass(frozen=True)
class Codes:
    """A batch of portraits as a generator knows them.

    Args:
        ws: `[N, num_ws, w_dim]`.
        cameras: `[N, 25]`, each portrait's own.
        deltas: N differences of the generator's weights, None for a portrait without one; or None
            where no portrait has any.

    Raises:
        InvalidArgumentError: the three do not belong to the same number of portraits.
    """

    ws: Tensor
    cameras: Tensor
    deltas: tuple[WeightDelta | None, ...] | None = None

    def __post_init__(self) -> None:
        if self.ws.ndim != 3:
            raise InvalidArgumentError(
                "ws", expected="[N, num_ws, w_dim]", actual=list(self.ws.shape)
            )
        check_camera(self.cameras)
        for name, rows in (("cameras", self.cameras), ("deltas", self.deltas)):
            if rows is not None and len(rows) != len(self.ws):
                raise InvalidArgumentError(
                    name, expected=f"{len(self.ws)}, as many as ws", actual=len(rows)
                )

    @classmethod
    def of(cls, records: Sequence[InvertedRecord], generator: Generator) -> Self:
        """Return the codes of inverted portraits, on the generator's device.

        Args:
            records: with codes and cameras.
            generator: the base, which they were inverted with.

        Raises:
            InvalidArgumentError: one has no code or camera, or a code of another generator.
            CheckpointError: the weights of one are damaged.
        """
        shape = (generator.num_ws, generator.w_dim)
        ws = np.stack([_code(record, *shape) for record in records])
        cameras = np.stack([_camera(record) for record in records])
        device = generator.device
        deltas = tuple(_delta(record, device) for record in records)
        return cls(
            torch.as_tensor(ws, device=device),
            torch.as_tensor(cameras, device=device),
            deltas if any(deltas) else None,
        )

    def __len__(self) -> int:
        return len(self.ws)

    def __getitem__(self, rows: slice | Sequence[int] | Tensor) -> Self:
        """Return some portraits: a slice, or their positions in any order."""
        if isinstance(rows, slice):
            positions = list(range(len(self))[rows])
        else:
            positions = [int(row) for row in rows]
        deltas = self.deltas and tuple(self.deltas[position] for position in positions)
        return type(self)(self.ws[positions], self.cameras[positions], deltas)

    def split(self, size: int) -> Iterator[Self]:
        """Yield the portraits in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def seen_from(self, cameras: Tensor) -> Self:
        """Return the same portraits with other cameras, `[N, 25]` or one `[1, 25]` for all."""
        return type(self)(self.ws, cameras.to(self.ws).expand(len(self), -1), self.deltas)

    @property
    def device(self) -> torch.device:
        """Where the codes are."""
        return self.ws.device

    def to(self, device: torch.device | str) -> Self:
        """Return the same portraits on another device."""
        deltas = self.deltas and tuple(delta and delta.to(device) for delta in self.deltas)
        return type(self)(self.ws.to(device), self.cameras.to(device), deltas)


def _code(record: InvertedRecord, num_ws: int, w_dim: int) -> np.ndarray:
    if record.w_plus is None or record.w_plus.size != num_ws * w_dim:
        raise InvalidArgumentError(
            "w_plus",
            expected=f"{num_ws} x {w_dim} values",
            actual="none" if record.w_plus is None else record.w_plus.size,
            remedy="invert with the same bundle",
        )
    return np.asarray(record.w_plus, dtype=np.float32).reshape(num_ws, w_dim)


def _delta(record: InvertedRecord, device: torch.device) -> WeightDelta | None:
    if record.weights is None:
        return None
    source = f"weights of portrait {record.record_id}"
    return WeightDelta.from_bytes(record.weights, source=source).to(device)


def _camera(record: InvertedRecord) -> np.ndarray:
    if record.camera is None:
        raise InvalidArgumentError("camera", expected="[25]", actual="none")
    return np.asarray(record.camera, dtype=np.float32).reshape(-1)
