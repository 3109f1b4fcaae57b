"""Two fully connected layers from plane features to density and colors."""

from itportrait.ops.decode_features.op import DECODE_FEATURES, decode_features

__all__ = ["DECODE_FEATURES", "decode_features"]
