"""Made-up portraits, discs whose place and color follow the latent, and a tiny generator."""

import torch

from itportrait.generator import GeneratorConfig
from itportrait.geometry.camera import look_at_camera
from itportrait.pretrain.training.data import PortraitData

SIDE = 32
DOMAINS = ("photo", "bronze")
CONFIG = GeneratorConfig(
    z_dim=64,
    w_dim=72,
    image_resolution=32,
    neural_rendering_resolution=8,
    mapping="skip",
    plane_resolution=8,
    plane_channels=4,
    backbone_channels=(8, 8),
    use_noise=False,
    decoder_hidden=8,
    background=True,
    superresolution="custom",
    superresolution_blocks=({"channels": 8}, {"channels": 8}),
    superresolution_half=False,
    rendering={
        "depth_resolution": 4,
        "depth_resolution_importance": 4,
        "density_gain": 30.0,
        "mask_outside": True,
        "merge_coarse": False,
    },
)


def fake_portraits(people: int, views: int = 2, seed: int = 0) -> PortraitData:
    """Draw people in two domains; bronze turns the colors brown."""
    rng = torch.Generator().manual_seed(seed)
    latent = torch.randn(people, 64, generator=rng)
    count = people * views * len(DOMAINS)
    domain, person, view = torch.cartesian_prod(
        torch.arange(len(DOMAINS)), torch.arange(people), torch.arange(views)
    ).T
    grid = (torch.arange(SIDE) + 0.5) / SIDE - 0.5
    center = 0.1 * torch.tanh(latent[person, 2:3])[..., None]
    radius = (grid[None, :, None].square() + (grid[None, None, :] - center).square()).sqrt()
    alpha = (radius < 0.3).float()
    color = torch.sigmoid(latent[person, :3])[:, :, None, None]
    bronze = torch.tensor([0.6, 0.4, 0.2])[None, :, None, None]
    color = torch.where((domain == 1)[:, None, None, None], bronze, color)
    image = alpha[:, None] * color + (1 - alpha[:, None]) * 0.2
    depth = torch.where(alpha > 0, 32_000, 65_535)
    return PortraitData(
        image=(image * 255).round().to(torch.uint8),
        camera=look_at_camera(0.3 * (view.float() - 0.5), torch.zeros(count)),
        latent=latent[person],
        person=person,
        view=view,
        domain=domain,
        domains=DOMAINS,
        captions=[[f"a {DOMAINS[int(d)]} of a person"] for d in domain],
        depth=depth.to(torch.int32).to(torch.uint16).view(torch.int16),
        alpha=(alpha * 255).to(torch.uint8),
    )
