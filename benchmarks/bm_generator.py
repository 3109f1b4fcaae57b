"""Native layers, plane sampling and rays against the library, and tuned portraits in a batch.

    python -m benchmarks.bm_generator [--threads 2] [--batch 8] [--repeats 5]

Prints, for the layers of the embedded generator's upper half, the time of the published form over
that of the scaling form, forward alone and with the backward pass; above 1 the second is faster.
The second table does the same for the scaling form over the native one, the third for the library's
grid sample over the native plane sampling, and of the chain of ops that keeps every sample over the
native op that renders rays. With `--published` the layers are those of the published
super-resolution to 512 px, and the rays those of its renderer, one sample each. The last line is
for portraits with weights of their own, whose scene is drawn once and seen from four cameras: the
time one after the other takes over the time of the batch.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks.bm_kernels import without
from benchmarks.speed.ops import LAYERS as PUBLISHED_LAYERS
from itportrait.generator import GeneratorConfig, TriPlaneGenerator, ffhq512_config, mini_config
from itportrait.generator.volume import Volume
from itportrait.geometry.camera import frontal_camera
from itportrait.geometry.planes import PLANE_AXES
from itportrait.geometry.rays import camera_rays
from itportrait.ops.modulated_conv import modulated_conv2d
from itportrait.ops.render_rays import RENDER_RAYS
from itportrait.ops.sample_planes import sample_planes
from itportrait.ops.upfirdn2d import resample_filter
from itportrait.styles import Codes, PreparedGenerator, WeightDelta

Layers = tuple[tuple[int, int, int, int], ...]
Backends = tuple[str, str]
"""Names of two backends: the time of the second is divided by that of the first."""
LAYERS: Layers = (
    (96, 64, 16, 2),
    (64, 64, 32, 1),
    (64, 48, 32, 2),
    (48, 48, 64, 1),
    (64, 32, 64, 2),
)
"""Input channels, output channels, input side, upsampling."""
POINTS = 32 * 32 * 18


def measure(work: Callable[[], object], repeats: int) -> float:
    """Return the least CPU time of several runs: other load on the machine counts little."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def compare(
    ours: Callable[[], Tensor], other: Callable[[], Tensor], values: list[Tensor], repeats: int
) -> tuple[float, float]:
    """Return other over ours: forward, and forward with backward."""

    def both(function: Callable[[], Tensor]) -> tuple[float, float]:
        with torch.no_grad():
            forward = measure(function, repeats)
        gradient = torch.ones_like(function())
        whole = measure(lambda: torch.autograd.grad(function(), values, gradient), repeats)
        return forward, whole

    mine, theirs = both(ours), both(other)
    return theirs[0] / mine[0], theirs[1] / mine[1]


def bench_layer(
    inputs: int, outputs: int, side: int, up: int, *, backends: Backends, batch: int, repeats: int
) -> tuple[float, float]:
    """Return the second backend over the first: forward, and forward with backward."""
    x = torch.randn(batch, inputs, side, side).contiguous(memory_format=torch.channels_last)
    weight, styles = torch.randn(outputs, inputs, 3, 3), torch.randn(batch, inputs)
    values = [value.requires_grad_() for value in (x, weight, styles)]
    kernel, bias = resample_filter() if up == 2 else None, torch.zeros(outputs)
    noise = torch.randn(side * up, side * up)

    def layer(backend: str) -> Tensor:
        return modulated_conv2d(
            x, weight, styles, bias=bias, noise=noise, up=up, kernel=kernel, backend=backend
        )

    ours, other = backends
    return compare(partial(layer, ours), partial(layer, other), values, repeats)


def bench_convolution(layers: Layers, backends: Backends, batch: int, repeats: int) -> None:
    """Print one line a layer."""
    ours, other = backends
    print(f"{f'layer with 3 x 3 weights, {other} / {ours}':53s} forward  with backward")
    for inputs, outputs, side, up in layers:
        ratios = bench_layer(
            inputs, outputs, side, up, backends=backends, batch=batch, repeats=repeats
        )
        name = f"{inputs} -> {outputs} at {side * up}"
        print(f"{name:53s}{ratios[0]:8.2f} {ratios[1]:14.2f}", flush=True)


def bench_sampling(batch: int, repeats: int) -> None:
    """Print one line."""
    flat = torch.randn(batch, 48, 64, 64).contiguous(memory_format=torch.channels_last)
    planes = flat.unflatten(1, (3, 16)).requires_grad_()
    points = torch.rand(batch, POINTS, 3) * 2 - 1
    ratios = compare(
        lambda: sample_planes(planes, points, PLANE_AXES["corrected"], backend="cpu"),
        lambda: sample_planes(planes, points, PLANE_AXES["corrected"], backend="reference"),
        [planes],
        repeats,
    )
    print(f"{'plane sampling, grid_sample / native':53s}{ratios[0]:8.2f} {ratios[1]:14.2f}")


def bench_rays(config: GeneratorConfig, batch: int, repeats: int) -> None:
    """Print one line, of planes drawn at random; gradients are those of the planes."""
    decoder = TriPlaneGenerator(config).decoder.requires_grad_(False)
    side = config.plane_resolution
    flat = torch.randn(batch, side, side, 3 * config.plane_channels).permute(0, 3, 1, 2)
    planes = flat.unflatten(1, (3, -1)).requires_grad_()
    cameras = frontal_camera().expand(batch, -1)
    rays = camera_rays(cameras, config.neural_rendering_resolution)

    def render() -> Tensor:
        volume = Volume(config, decoder, planes)
        return volume.composite(*rays, None, random=False, with_weights=False)[0].features

    def chain() -> Tensor:
        with without(RENDER_RAYS, "cpu"):
            return render()

    ratios = compare(render, chain, [planes], repeats)
    print(f"{'volume rendering, chain of ops / native':53s}{ratios[0]:8.2f} {ratios[1]:14.2f}")


@torch.no_grad()
def bench_tuned(batch: int, repeats: int, views: int = 4) -> None:
    """Print one line."""
    generator = TriPlaneGenerator(mini_config()).eval().requires_grad_(False)
    cameras = frontal_camera().expand(batch, -1)
    ws = generator.mapping(torch.randn(batch, generator.z_dim), cameras)
    parameters = generator.parameters_of(generator.parts)
    deltas = tuple(
        WeightDelta({name: 0.01 * torch.randn_like(value) for name, value in parameters.items()})
        for _ in range(batch)
    )
    codes, prepared = Codes(ws, cameras, deltas), PreparedGenerator(generator)

    def render(size: int) -> None:
        for part in codes.split(size):
            bound = prepared.bind(part)
            for _ in range(views):
                bound.render(part.cameras)

    together, alone = (measure(partial(render, size), repeats) for size in (batch, 1))
    print(f"{f'{batch} tuned portraits, one by one / batch':53s}{alone / together:8.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--published", action="store_true", help="the published super-resolution")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    chosen, size = (PUBLISHED_LAYERS, 1) if arguments.published else (LAYERS, arguments.batch)
    for backends in (("scaled", "reference"), ("cpu", "scaled")):
        bench_convolution(chosen, backends, size, arguments.repeats)
    bench_sampling(arguments.batch, arguments.repeats)
    model = ffhq512_config() if arguments.published else mini_config()
    bench_rays(model, size, arguments.repeats)
    bench_tuned(arguments.batch, arguments.repeats)
