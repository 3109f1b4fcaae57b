"""Distance function of the procedural head: `reference.py` defines it, `op.cpp` is fast."""

from itportrait.mini.portraits.head_sdf.op import (
    Head,
    head_distance,
    head_light,
    head_normals,
    trace_head,
)
from itportrait.mini.portraits.head_sdf.reference import GROUPS

__all__ = ["GROUPS", "Head", "head_distance", "head_light", "head_normals", "trace_head"]
