"""Mean of the bilinear samples of three feature planes at points."""

from itportrait.ops.sample_planes.op import sample_planes

__all__ = ["sample_planes"]
