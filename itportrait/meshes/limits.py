"""Limits of meshes, in a module of their own, since command lines need them without torch."""

FEWEST_TRIANGLES = 100
"""Fewest triangles that a mesh may be simplified to."""
SMALLEST_TEXTURE, LARGEST_TEXTURE = 64, 8192
"""Sides of textures, in pixels."""
