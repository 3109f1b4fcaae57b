"""Mean of the bilinear samples of three feature planes at points."""

from itportrait.ops.sample_planes.op import SAMPLE_PLANES, sample_planes

__all__ = ["SAMPLE_PLANES", "sample_planes"]
