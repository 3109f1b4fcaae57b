"""The base line of the benchmark computes what the generator computes, with the same weights."""

import pytest
import torch

from benchmarks.published_path import PublishedPath
from benchmarks.speed.families import quick_config
from itportrait.generator import TriPlaneGenerator
from itportrait.geometry.camera import look_at_camera
from tests.ops.tolerances import assert_close

CAMERAS = look_at_camera(torch.tensor([0.3, -0.4]), torch.tensor([0.1, -0.1]))
FACTOR = 20
"""Single precision through some twenty layers and a sum over a ray."""


@pytest.mark.parametrize("family", ["published", "mini"])
def test_images_and_gradients_are_those_of_the_generator(family):
    torch.manual_seed(0)
    generator = TriPlaneGenerator(quick_config(family)).eval().requires_grad_(False)
    for name, value in generator.named_parameters():
        if name.endswith(("noise_strength", ".bias")) and ".affine." not in name:
            value.normal_(std=0.1)  # zeros as the layers make them, which would hide them
    path = PublishedPath(generator)
    ws = generator.mapping(torch.randn(2, generator.z_dim), CAMERAS).requires_grad_()
    target = torch.rand(2, 3, generator.image_resolution, generator.image_resolution) * 2 - 1
    view = generator.synthesize(ws, CAMERAS)
    expected = torch.autograd.grad((view.final_image - target).square().mean(), ws)[0]
    planes = path.planes(ws)
    assert_close(planes, generator.planes(ws), FACTOR)
    features = path.features(planes, ws, CAMERAS)
    assert_close(features[:, :3], view.image_raw, FACTOR)
    assert_close(path.super_resolve(features, ws), view.final_image, FACTOR)
    assert_close(path.inversion_step(ws, CAMERAS, target), expected, 10 * FACTOR)
