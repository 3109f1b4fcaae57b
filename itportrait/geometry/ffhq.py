"""Cameras that EG3D's FFHQ generators were trained with.

In a module of their own, since configurations need them and do not load torch.
"""

CAMERA_DIM = 25
"""Length of a camera vector: camera to world (16 numbers, row by row), then intrinsics (9)."""
FFHQ_FOCAL = 4.2647
"""Focal length of the FFHQ crops as a multiple of the image's side: a field of view of 18.837
degrees."""
FFHQ_RADIUS = 2.7
"""Distance of the cameras from the origin, in world units."""
FFHQ_PIVOT = (0.0, 0.0, 0.2)
"""Point in the world that the cameras look at."""
