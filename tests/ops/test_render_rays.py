"""render_rays: its definition by hand, what it refuses, and its kernels without a GPU."""

import math
import os
import subprocess
import sys

import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.kernels.running import interpreted
from itportrait.ops.loader import NativeOpError
from itportrait.ops.render_rays import Space, render_rays
from tests.helpers.kernels import front_end, launches, needs_kernels

AXES = ((0, 1), (0, 2), (2, 0))
SPACE = Space(AXES, 1.0, False, 2.0)


def scene(samples=3, rays=2, channels=1, dtype=torch.float32, device="cpu"):
    """Return planes of ones, rays along z from -0.3 to 0.3, and a decoder that passes on."""
    options = {"dtype": dtype, "device": device}
    planes = torch.ones(1, 3, channels, 4, 4, **options)
    origins = torch.tensor([0.0, 0.0, -0.9], **options).expand(1, rays, 3)
    directions = torch.tensor([0.0, 0.0, 1.0], **options).expand(1, rays, 3)
    depths = torch.linspace(0.6, 1.2, samples, **options).expand(1, rays, samples)
    hidden = torch.eye(channels, **options), torch.zeros(channels, **options)
    output = torch.ones(1 + channels, channels, **options), torch.zeros(1 + channels, **options)
    return planes, origins, directions, depths, hidden, output


def test_a_uniform_scene_by_hand():
    seen = render_rays(*scene(), SPACE, with_weights=True)
    inner = math.log(1 + math.e)  # softplus of the feature, which is also sigma
    density = 2 * math.log(1 + math.exp(inner - 1))
    first = 1 - math.exp(-density * 0.3)
    weights = torch.tensor([first, first * (1 - first)])
    assert torch.allclose(seen.weights, weights.expand(1, 2, 2))
    assert torch.allclose(seen.alpha, weights.sum().expand(1, 2, 1))
    assert torch.allclose(
        seen.distance, (weights * torch.tensor([0.75, 1.05])).sum().expand(1, 2, 1)
    )
    color = 1 / (1 + math.exp(-inner))
    assert torch.allclose(seen.features, (color * weights.sum()).expand(1, 2, 1))


def test_nothing_is_outside_of_a_masked_cube():
    small = Space(AXES, 0.5, True, 2.0)  # rays leave it at a depth of 1.15
    weights = render_rays(*scene(9), small, with_weights=True).weights
    assert weights is not None
    assert float(weights[..., 2:5].min()) > 0.01
    assert float(weights[..., -1].max()) < 1e-6


def test_shapes_that_do_not_fit_are_named():
    planes, origins, directions, depths, *layers = scene()
    hidden, output = layers
    rays = planes, origins, directions, depths
    wide = torch.ones(1, 2), torch.zeros(1)
    many = torch.ones(3, 1, 1), torch.zeros(3, 1)
    for given, name in (
        ((planes[:, :2], origins, directions, depths, *layers), "planes"),
        ((planes, origins[:, :1], directions, depths, *layers), "origins"),
        ((planes, origins, directions[..., :2], depths, *layers), "directions"),
        ((planes, origins, directions, depths[..., :1], *layers), "depths must be .*K >= 2"),
        ((*rays, wide, output), "hidden must be weight .O, 1. and bias"),
        ((*rays, (hidden[0], torch.zeros(2)), output), "hidden"),
        ((*rays, hidden, wide), "output"),
        ((*rays, many, output), "hidden must be .* or 1 of each"),
    ):
        with pytest.raises(InvalidArgumentError, match=name):
            render_rays(*given, SPACE)


def test_kernels_say_why_they_do_not_serve():
    if interpreted():
        pytest.skip("the interpreter admits tensors on a CPU")
    with pytest.raises(NativeOpError, match=r"on cuda, got torch\.float32 on cpu"):
        render_rays(*scene(), SPACE, backend="triton")


def test_a_machine_without_triton_lacks_nothing_else():
    code = (
        "import sys; sys.modules['triton'] = None\n"
        "import itportrait.generator\n"
        "from itportrait.ops import all_ops\n"
        "print(*(op.explain().get('triton', '') for op in all_ops()), sep='\\n')"
    )
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "needs triton, which is not installed; pip install triton" in done.stdout.splitlines()


@pytest.mark.skipif(interpreted(), reason="the interpreter replaces the compiler")
@pytest.mark.parametrize("own", [False, True])
def test_kernels_pass_the_compiler_without_a_gpu(own):
    pytest.importorskip("triton", reason="needs triton")
    from itportrait.ops.render_rays.triton import render_rays_triton

    planes, origins, directions, depths, *layers = scene(channels=16)
    if own:
        planes, layers = planes.half(), [tuple(t[None].repeat(2, *[1] * t.ndim) for t in layer)
                                         for layer in layers]  # fmt: skip
        planes, *rays = (
            t.repeat(2, *[1] * (t.ndim - 1)) for t in (planes, origins, directions, depths)
        )
    else:
        rays = [origins, directions, depths]
    space = Space(AXES, 1.0, own, 1.0)
    with launches() as seen:
        made = render_rays_triton(planes.requires_grad_(), *rays, *layers, space, own)
        made.features.sum().backward()
    assert [kernel.__name__ for kernel, _ in seen] == ["render_forward", "render_backward"]
    for kernel, arguments in seen:
        assert "tt.dot" in front_end(kernel, arguments)


@needs_kernels
@pytest.mark.skipif(interpreted(), reason="needs a real GPU")
def test_memory_does_not_grow_with_the_samples():
    peaks = []
    for samples in (8, 96):
        given = scene(samples, 64 * 64, 32, device="cuda")
        given[0].requires_grad_()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        render_rays(*given, SPACE, backend="triton").features.sum().backward()
        # Depths, which the caller brings, are copied once where they are not in one run.
        peaks.append(torch.cuda.max_memory_allocated() - before - given[3].numel() * 4)
    assert peaks[1] <= 1.1 * peaks[0]
