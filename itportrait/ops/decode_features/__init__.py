"""Two fully connected layers from plane features to density and colors."""

from itportrait.ops.decode_features.op import decode_features

__all__ = ["decode_features"]
