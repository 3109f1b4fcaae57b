"""Convolution whose weights are modulated, and demodulated, by a style per sample."""

from itportrait.ops.modulated_conv.op import MODULATED_CONV, modulated_conv2d

__all__ = ["MODULATED_CONV", "modulated_conv2d"]
