"""Volumes rendered by one op, which keeps no samples, against the chain of ops that keeps them."""

import pytest
import torch

from itportrait.geometry.camera import look_at_camera
from itportrait.ops.render_rays import RENDER_RAYS
from tests.generator.test_generator import code, make
from tests.helpers.kernels import DEVICE, needs_kernels

CAMERA = look_at_camera(torch.tensor([0.3]), 0.1)
KINDS = {
    "published": {"merge_coarse": True},
    "guided": {"merge_coarse": False, "mask_outside": True, "density_gain": 30.0},
    "coarse alone": {"depth_resolution_importance": 0},
}


def render(model, ws, camera, dtype):
    """Return pictures, depth, alpha, weights, and gradients of planes, camera and decoder."""
    model, ws, camera = model.to(dtype), ws.to(dtype), camera.to(dtype).detach().requires_grad_()
    planes = torch.randn(1, 3, 4, 16, 16, generator=torch.Generator().manual_seed(2))
    planes = planes.to(ws.device, dtype).requires_grad_()
    view = model.render(
        planes,
        ws,
        camera,
        neural_rendering_resolution=4,
        return_samples=True,
        super_resolve=False,
    )
    values = [view.image_raw, view.image_depth, view.image_alpha, *view.samples]
    total = sum((value * torch.linspace(-1, 1, value.numel(), device=value.device, dtype=dtype)
                 .view(value.shape)).sum() for value in values)  # fmt: skip
    leaves = [planes, camera, *model.decoder.parameters()]
    return [value.detach() for value in values], torch.autograd.grad(total, leaves)


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_op_is_the_chain(kind, monkeypatch):
    model = make(rendering=KINDS[kind]).requires_grad_(True)
    ws = code(model, 1)
    expected = render(model, ws, CAMERA, torch.float64)
    monkeypatch.setattr(type(RENDER_RAYS), "is_native", lambda *_: True)
    actual = render(model, ws, CAMERA, torch.float64)
    for part, other in zip(actual, expected, strict=True):
        for value, wanted in zip(part, other, strict=True):
            assert torch.allclose(value, wanted, rtol=1e-7, atol=1e-9)


@needs_kernels
@pytest.mark.parametrize("kind", KINDS)
def test_a_generator_renders_by_the_kernel(kind):
    model = make(rendering=KINDS[kind], superresolution_half=False).requires_grad_(True)
    ws, camera, model = code(model, 1).to(DEVICE), CAMERA.to(DEVICE), model.to(DEVICE)
    values, gradients = render(model, ws, camera, torch.float32)
    wanted, wanted_gradients = render(model, ws, camera, torch.float64)  # kernels refuse the type
    for value, other in zip(values, wanted, strict=True):
        assert float((value - other).abs().max()) <= 1e-4 * float(other.abs().max())
    for value, other in zip(gradients, wanted_gradients, strict=True):
        assert float((value - other).abs().max()) <= 1e-3 * float(other.abs().max())
