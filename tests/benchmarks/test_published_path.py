"""The base line of the benchmark computes what the generator computes, with the same weights."""

import pytest
import torch

from benchmarks.published_path import PublishedPath
from benchmarks.speed.adaptation import APT, Steps, published_bundle, quick_bundle
from benchmarks.speed.families import quick_config
from itportrait.errors import InvalidArgumentError
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


def test_a_step_of_stage_1_is_that_of_the_method():
    """Codes of a step of stage 2 are drawn otherwise: one by one."""
    bundle = quick_bundle("cpu")
    steps = Steps(bundle, published_bundle(bundle), "image_text")
    ours, published = steps.method.loss(APT), steps.single.loss(APT)
    assert_close(published.loss, ours.loss, FACTOR)
    gradients = []
    for method, part in ((steps.method, ours), (steps.single, published)):
        part.loss.backward()
        trained = method.students["image"].trained
        gradients.append({name: each.grad for name, each in trained.items()})
    assert any(gradient is not None for gradient in gradients[0].values())
    for name, expected in gradients[0].items():
        if expected is not None:
            assert_close(gradients[1][name], expected, 10 * FACTOR)


def test_the_published_generator_refuses_what_its_sequence_does_not_compute():
    generator = published_bundle(quick_bundle("cpu")).generator
    ws = generator.w_avg.expand(2, generator.num_ws, -1)
    with pytest.raises(InvalidArgumentError, match="sampling"):
        generator.synthesize(ws, CAMERAS, sampling="random")
    with pytest.raises(InvalidArgumentError, match="noise_mode"):
        generator.planes(ws, "random")
