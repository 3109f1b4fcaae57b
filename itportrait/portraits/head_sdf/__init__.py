"""Distance function of the procedural head: `reference.py` defines it, `cpu.cpp` is fast."""

from itportrait.portraits.head_sdf.head import Head
from itportrait.portraits.head_sdf.op import (
    head_distance,
    head_light,
    head_normals,
    trace_head,
)
from itportrait.portraits.head_sdf.reference import GROUPS

__all__ = ["GROUPS", "Head", "head_distance", "head_light", "head_normals", "trace_head"]
