"""A procedural head, as both implementations of its distance function read it."""

import torch
from torch import Tensor

from itportrait.portraits.head_sdf.reference import (
    ELLIPSOID_GROUPS,
    SCALARS,
    HeadScalars,
    HeadTables,
)


class Head:
    """A head's tables, and the flat buffer that the native code reads (made on first use)."""

    def __init__(self, tables: HeadTables) -> None:
        self.tables = tables
        self._packed: Tensor | None = None

    @property
    def scalars(self) -> HeadScalars:
        """The numbers that place what is not an ellipsoid."""
        return self.tables.scalars

    @property
    def packed(self) -> Tensor:
        """All tables in one float32 vector, in the order that `struct Head` in head.h reads."""
        if self._packed is None:
            self._packed = _pack(self.tables)
        return self._packed


def _pack(tables: HeadTables) -> Tensor:
    parts = [torch.tensor([float(getattr(tables.scalars, name)) for name in SCALARS])]
    for name in ELLIPSOID_GROUPS:
        group = tables.ellipsoids[name]
        rows = torch.cat([group.shape.T, group.gradient.T, group.bounds], 1)
        parts += [torch.tensor([float(len(rows)), group.sharpness]), rows.flatten()]
    bumps = tables.bumps
    rows = torch.cat([bumps.amplitude[:, None], bumps.shape.T, bumps.bounds], 1)
    parts += [torch.tensor([float(len(rows))]), rows.flatten()]
    return torch.cat(parts).float().contiguous()
