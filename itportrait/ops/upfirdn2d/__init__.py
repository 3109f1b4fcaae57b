"""Upsampling by two and smoothing with a small separable filter."""

from itportrait.ops.upfirdn2d.op import UPFIRDN2D, resample_filter, upfirdn2d, upsample2d

__all__ = ["UPFIRDN2D", "resample_filter", "upfirdn2d", "upsample2d"]
