"""Rays that meet nothing must not spoil a depth term (the embedded generator has many)."""

from dataclasses import replace

import torch

from itportrait.adapt.sampling import random_codes
from itportrait.geometry.camera import look_at_camera
from itportrait.geometry.orbit import FFHQ_ORBIT
from itportrait.learning.seeds import step_rng
from itportrait.losses import depth_distance


def test_depth_of_empty_rays_has_a_finite_gradient(bundle):
    ws = random_codes(bundle, 1, step_rng(0, 0, 0))
    planes = bundle.generator.planes(ws).detach().requires_grad_(True)
    beside = replace(FFHQ_ORBIT, pivot=(1.2, 0.0, 0.0))  # many rays pass beside the box
    away = look_at_camera(0.9, 0.0, beside)
    render = bundle.generator.render(planes, ws, away)
    assert int((render.image_alpha == 0).sum()) > 0
    target = render.image_depth.detach() + 0.1
    depth_distance(render.image_depth, target, torch.ones_like(target)).sum().backward()
    assert planes.grad.isfinite().all()
