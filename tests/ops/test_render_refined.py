"""render_refined: fine depths by hand, what it refuses, and light that the coarse pass misses."""

import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.ops.render_rays import RENDER_REFINED, Space, render_rays, render_refined
from itportrait.ops.render_rays.refining import draw_depths
from tests.ops.test_render_rays import AXES, scene
from tests.ops.tolerances import assert_close


def test_fine_depths_of_even_weights_by_hand():
    depths, weights = torch.arange(5.0)[None, None], torch.full((1, 1, 4), 0.2)
    fine = draw_depths(depths, weights, torch.tensor([0, 0.25, 0.5, 1]))
    assert torch.allclose(fine, torch.tensor([0.5, 1.0, 1.5, 2.5]))


def test_fine_depths_go_where_the_weight_is():
    depths = torch.linspace(0, 1, 21)[None, None]
    weights = torch.zeros(1, 1, 20)
    weights[..., 10] = 0.9  # between 0.5 and 0.55
    fine = draw_depths(depths, weights, torch.linspace(0, 1, 100))
    near = (fine > 0.42) & (fine < 0.63)
    assert float(near.float().mean()) > 0.8


def test_both_passes_are_shown_in_order():
    planes, origins, directions, depths, *layers = scene(samples=5)
    quantiles = torch.rand(1, 2, 4, generator=torch.Generator().manual_seed(0))
    space = Space(AXES, 1.0, False, 2.0)
    inputs = planes, origins, directions, depths, *layers, quantiles, space
    seen, shown = render_refined(*inputs, keep=2, with_weights=True)
    assert shown.shape == (1, 2, 7)
    assert torch.equal(shown, shown.sort(-1).values)
    assert torch.isin(depths[..., ::2], shown).all()
    again = render_rays(planes, origins, directions, shown, *layers, space, with_weights=True)
    for value, other in zip(seen, again, strict=True):
        assert torch.allclose(value, other)


def test_arguments_that_do_not_fit_are_named():
    given, space = scene(), Space(AXES, 1.0, False, 2.0)
    for quantiles, keep, name in (
        (torch.rand(2, 4), 1, "quantiles must be .1, 2, L. or .L. with L >= 1"),
        (torch.rand(0), 1, "quantiles"),
        (torch.rand(4), 0, "keep must be at least 1"),
    ):
        with pytest.raises(InvalidArgumentError, match=name):
            render_refined(*given, quantiles, space, keep=keep)
    with pytest.raises(InvalidArgumentError, match="depths"):
        render_refined(*given[:3], given[3][..., :1], *given[4:], torch.rand(4), space)


@pytest.mark.parametrize(("batch", "count"), [(0, 5), (2, 0)])
def test_native_rays_of_nothing_carry_nothing(batch, count):
    if reason := RENDER_REFINED.explain()["cpu"]:
        pytest.skip(reason)
    _, origins, directions, depths, *_ = scene(samples=5)
    planes = torch.ones(batch, 3, 16, 4, 4, requires_grad=True)
    rays = [t[:, :1].expand(batch, count, -1) for t in (origins, directions, depths)]
    layers = (torch.ones(32, 16), torch.zeros(32)), (torch.ones(17, 32), torch.zeros(17))
    given, space = (planes, *rays, *layers), Space(AXES, 1.0, False, 2.0)
    once = render_rays(*given, space, backend="cpu")
    twice, shown = render_refined(*given, torch.rand(4), space, backend="cpu")
    assert shown.shape == (batch, count, 9)
    for seen in (once, twice):
        assert seen.features.shape == (batch, count, 16)
        (found,) = torch.autograd.grad(seen.features.sum(), planes)
        assert found.shape == planes.shape
        assert not found.any()


def wall_scene(samples, walls, side):
    """Return thin walls that coarse samples of these numbers lie on, one behind the other."""
    origins = torch.tensor([0.0, 0.0, -0.9]).expand(1, 4, 3)
    directions = torch.tensor([0.0, 0.0, 1.0]).expand(1, 4, 3)
    texels = torch.arange(samples) * 6 + 3  # whose centers the coarse samples are
    depths = (0.4 + (texels + 0.5) / side).expand(1, 4, samples)
    planes = torch.zeros(1, 3, 16, side, side)
    planes[:, 1, 0, texels[walls]] = 60.0  # rows of the plane (x, z) run along z
    hidden = torch.zeros(32, 16), torch.zeros(32)
    output = torch.zeros(17, 32), torch.zeros(17)
    hidden[0][0, 0], output[0][0, 0], output[1][0] = 3.0, 1.0, -20.0
    return planes, origins, directions, depths, hidden, output


@pytest.mark.parametrize(
    ("samples", "walls", "side", "gain", "keep"),
    [
        (20, [14, 17], 128, 30.0, 1),
        # More than a chunk of sixteen lies between two coarse samples that are rendered.
        (64, [4, 62], 384, 90.0, 31),
    ],
)
def test_light_that_the_coarse_pass_misses_is_seen(samples, walls, side, gain, keep):
    if reason := RENDER_REFINED.explain()["cpu"]:
        pytest.skip(reason)
    given, space = wall_scene(samples, walls, side), Space(AXES, 1.0, False, gain)
    guide = render_rays(*given, space, with_weights=True, backend="reference").weights
    assert guide is not None
    assert (
        float(guide[..., walls[0] + 1 :].max()) < 1e-9
    )  # in the coarse pass no light passes the wall
    results = []
    for backend, dtype in (("cpu", torch.float32), ("reference", torch.float64)):
        tensors = [t.to(dtype) for t in given[:4]]
        layers = [tuple(t.to(dtype) for t in layer) for layer in given[4:]]
        even = torch.linspace(0, 1, 64, dtype=dtype)
        results.append(
            render_refined(
                *tensors, *layers, even, space, keep=keep, with_weights=True, backend=backend
            )
        )
    (seen, shown), (wanted, wanted_depths) = results
    behind = wanted.weights[wanted_depths[..., 1:] > given[3][0, 0, walls[0] + 2]]
    assert float(behind.sum() / 4) > 1e-3
    assert_close(shown, wanted_depths)
    for value, other in zip(seen, wanted, strict=True):
        assert_close(value, other, 4)  # the wall is steep
