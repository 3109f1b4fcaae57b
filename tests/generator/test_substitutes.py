"""Generators with other parameters: equal to one that was changed, for each portrait of a batch."""

import copy

import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.generator.substitutes import substituted
from itportrait.geometry.camera import look_at_camera
from tests.helpers.tiny_family import tiny_generator


@pytest.fixture(scope="module")
def generator():
    return tiny_generator()


def drawn(generator, count):
    """Return codes, cameras, and a change of every parameter but the mapping's per portrait."""
    rng = torch.Generator().manual_seed(3)
    cameras = look_at_camera(torch.linspace(-0.3, 0.3, count), torch.zeros(count))
    ws = generator.mapping(torch.randn(count, generator.z_dim, generator=rng), cameras)
    values = {
        name: old + 0.1 * torch.randn(count, *old.shape, generator=rng)
        for name, old in generator.named_parameters()
        if ".mapping." not in name
    }
    return ws, cameras, values


def changed(generator, values, row):
    """Return a copy of the generator that holds one portrait's parameters."""
    copied = copy.deepcopy(generator)
    with torch.no_grad():
        for name, value in values.items():
            copied.get_parameter(name).copy_(value[row])
    return copied


def test_each_portrait_is_rendered_by_its_own_parameters(generator):
    ws, cameras, values = drawn(generator, 3)
    assert any(name.startswith("background") for name in values)
    together = substituted(generator, values).synthesize(ws, cameras)
    points = torch.linspace(-0.4, 0.4, 15).view(1, 5, 3).expand(3, -1, -1)
    tuned = substituted(generator, values)
    sigma, color = tuned.sample(points, tuned.planes(ws))
    for row in range(3):
        one = changed(generator, values, row)
        code = ws[row : row + 1]
        alone = one.synthesize(code, cameras[row : row + 1])
        for name in ("image", "image_raw", "image_depth", "image_alpha"):
            torch.testing.assert_close(
                getattr(together, name)[row], getattr(alone, name)[0], atol=2e-4, rtol=1e-3
            )
        want_sigma, want_color = one.sample(points[:1], one.planes(code))
        torch.testing.assert_close(sigma[row], want_sigma[0], atol=2e-4, rtol=1e-3)
        torch.testing.assert_close(color[row], want_color[0], atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("mode", ["const", "random"])
def test_noise_has_a_strength_of_its_own_for_each_portrait(generator, mode):
    torch.manual_seed(5)
    config = type(generator.config).parse({**generator.config.model_dump(), "use_noise": True})
    noisy = type(generator)(config).eval().requires_grad_(False)
    ws, _, values = drawn(noisy, 2)
    values = {name: value + 0.5 for name, value in values.items() if "noise_strength" in name}
    assert values

    def planes(model, rows):
        # Drawn for one portrait at a time, so that all get the same noise.
        rng = torch.Generator().manual_seed(6)
        return model.planes(ws[rows], mode, rng)

    for row in range(2):
        alone = planes(changed(noisy, values, row), [row])
        own = {name: value[row : row + 1] for name, value in values.items()}
        torch.testing.assert_close(planes(substituted(noisy, own), [row]), alone)
    if mode == "const":
        together = planes(substituted(noisy, values), [0, 1])
        torch.testing.assert_close(together[1:], alone, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("name", ["decoder.net.2.bias", "background.style.weight"])
def test_one_parameter_alone_can_differ(generator, name):
    ws, cameras, values = drawn(generator, 2)
    values = {name: values[name]}
    together = substituted(generator, values).synthesize(ws, cameras)
    for row in range(2):
        alone = changed(generator, values, row).synthesize(
            ws[row : row + 1], cameras[row : row + 1]
        )
        torch.testing.assert_close(together.image[row], alone.image[0], atol=2e-4, rtol=1e-3)


def test_gradients_reach_each_portraits_values_and_nothing_else(generator):
    ws, cameras, values = drawn(generator, 2)
    values = {name: value.requires_grad_() for name, value in values.items()}
    image = substituted(generator, values).synthesize(ws, cameras).image
    image[0].square().sum().backward()
    for name, value in values.items():
        assert value.grad is not None, name
        assert value.grad[1].abs().max() == 0, name
    assert sum(float(value.grad[0].abs().max() > 0) for value in values.values()) > 40
    assert all(parameter.grad is None for parameter in generator.parameters())


def test_values_for_all_portraits_and_the_original_stay_as_they_are(generator):
    ws, cameras, values = drawn(generator, 2)
    before = generator.synthesize(ws, cameras).image
    shared = {name: value[0] for name, value in values.items()}
    image = substituted(generator, shared).synthesize(ws, cameras).image
    torch.testing.assert_close(image, changed(generator, values, 0).synthesize(ws, cameras).image)
    assert torch.equal(generator.synthesize(ws, cameras).image, before)
    assert torch.equal(substituted(generator, {}).synthesize(ws, cameras).image, before)


def test_what_does_not_fit_is_refused_by_name(generator):
    with pytest.raises(InvalidArgumentError, match="names of parameters, got nothing"):
        substituted(generator, {"nothing": torch.zeros(1)})
    with pytest.raises(InvalidArgumentError, match=r"value of decoder\.net\.2\.bias"):
        substituted(generator, {"decoder.net.2.bias": torch.zeros(3, 4)})
