"""Random codes and cameras of a step, from a generator that belongs to the step."""

from dataclasses import replace

import torch
from torch import Tensor

from itportrait.adapt.settings import ViewConfig
from itportrait.bundle import Bundle
from itportrait.geometry.camera import fov_to_focal, frontal_camera, look_at_camera
from itportrait.geometry.orbit import FFHQ_ORBIT, Orbit


@torch.no_grad()
def random_codes(
    bundle: Bundle, count: int, rng: torch.Generator, truncation_psi: float = 1.0
) -> Tensor:
    """Draw codes of random portraits.

    Returns:
        `[count, num_ws, w_dim]`, mapped at the frontal camera.
    """
    generator = bundle.generator
    device = generator.device
    z = torch.randn(count, generator.z_dim, generator=rng).to(device)
    camera = frontal_camera(bundle.orbit, device).expand(count, -1)
    return generator.mapping(z, camera, truncation_psi=truncation_psi)


def random_views(views: ViewConfig, count: int, rng: torch.Generator, orbit: Orbit) -> list[Tensor]:
    """Draw one camera a code for view A, and one for view B unless it is off.

    Radius and field of view are those of FFHQ's world; in another family's they are carried over.

    Returns:
        One or two tensors `[count, 25]`.
    """

    def draw(values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values)[torch.randint(len(values), (count,), generator=rng)]

    focal = fov_to_focal(views.fov_deg) * (orbit.focal / FFHQ_ORBIT.focal)
    orbit = replace(orbit, radius=views.radius * orbit.distance_scale, focal=focal)
    return [
        look_at_camera(draw(yaws), draw(views.pitch), orbit)
        for yaws in (views.yaw_a, views.yaw_b)
        if yaws
    ]
