"""Where the cameras of a family of generators stand, and where they look.

In a module of its own, since configurations need it and do not load torch.
"""

from dataclasses import dataclass

CAMERA_DIM = 25
"""Numbers of a camera: camera to world (16, row by row), then intrinsics (9)."""
FFHQ_FOCAL = 4.2647
"""Focal length over image size of the FFHQ crops: a field of view of 18.837 degrees."""
FFHQ_RADIUS = 2.7
"""Distance of the cameras from the origin."""
FFHQ_PIVOT = (0.0, 0.0, 0.2)
"""What the cameras look at."""


@dataclass(frozen=True)
class Orbit:
    """The sphere of a family's cameras: `look_at_camera` makes them; a bundle's prior has its own.

    The same crops show the head of any family at the same size. So a family whose numbers differ
    from those of FFHQ's has a world of another scale, and lengths of the one become lengths of the
    other by `distance_scale` and `head_scale`, which are exactly 1 for FFHQ's numbers.
    """

    radius: float
    """Distance of the cameras from the origin, world units."""
    focal: float
    """Focal length over the image size."""
    pivot: tuple[float, float, float]
    """What the cameras look at: the middle of the head."""

    @property
    def distance_scale(self) -> float:
        """Distance of the cameras over that of FFHQ's."""
        return self.radius / FFHQ_RADIUS

    @property
    def head_scale(self) -> float:
        """Size of a head in world units over its size in the world of FFHQ's generators."""
        return (self.radius / self.focal) / (FFHQ_RADIUS / FFHQ_FOCAL)


FFHQ_ORBIT = Orbit(FFHQ_RADIUS, FFHQ_FOCAL, FFHQ_PIVOT)
"""Cameras that EG3D's FFHQ generators were trained with."""
