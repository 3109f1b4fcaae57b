"""Numbers of the cameras that EG3D's FFHQ generators were trained with.

In a module of their own, since configurations need them and do not load torch.
"""

CAMERA_DIM = 25
"""Numbers of a camera: camera to world (16, row by row), then intrinsics (9)."""
FFHQ_FOCAL = 4.2647
"""Focal length over image size of the FFHQ crops: a field of view of 18.837 degrees."""
FFHQ_RADIUS = 2.7
"""Distance of the cameras from the origin."""
FFHQ_PIVOT = (0.0, 0.0, 0.2)
"""What the cameras look at."""
