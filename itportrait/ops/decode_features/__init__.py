"""Two fully connected layers from plane features to density and colors."""

from itportrait.ops.decode_features.each import decode_each
from itportrait.ops.decode_features.op import DECODE_FEATURES, decode_features

__all__ = ["DECODE_FEATURES", "decode_each", "decode_features"]
