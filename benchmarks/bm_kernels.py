"""The ops of the generator on one device: the library's chain over the fused kernels.

    python -m benchmarks.bm_kernels --device cuda [--family ffhq512] [--json kernels.json]

Both forms run in turn in one process, with the same inputs; a ratio above 1 says how many times
faster the kernel is, or how many times less memory it takes. Needs torch and what the core layers
import: neither Ray nor MLflow nor open_clip. Prints one JSON line an op; an op that fails says so
in its line and the others go on.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from benchmarks.clock import Clock
from benchmarks.parts import run_parts
from benchmarks.random_models import GENERATORS
from itportrait.generator import TriPlaneGenerator
from itportrait.generator.volume import Volume
from itportrait.geometry.camera import frontal_camera
from itportrait.geometry.rays import camera_rays
from itportrait.ops.bias_act import BIAS_ACT
from itportrait.ops.dispatch import Op
from itportrait.ops.render_rays import RENDER_RAYS
from itportrait.ops.upfirdn2d import UPFIRDN2D, resample_filter

PAIRS = 7
"""Number of runs of each form, in turn."""


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--family", default="ffhq512", choices=sorted(GENERATORS))
    parser.add_argument("--json", help="write all figures there too")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    machine = Clock(arguments.device)
    generator = TriPlaneGenerator(GENERATORS[arguments.family]()).requires_grad_(False)
    generator.to(arguments.device)
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "render_rays": lambda: rays(generator, machine),
        "bias_act": lambda: activation(generator.image_resolution, machine),
        "upfirdn2d": lambda: upsampling(generator.image_resolution, machine),
    }
    run_parts(parts, machine, arguments.json)


def rays(generator: TriPlaneGenerator, machine: Clock) -> dict[str, Any]:
    """Return the figures of volume rendering; gradients are those of planes and decoder."""
    config, side = generator.config, generator.config.plane_resolution
    flat = torch.randn(1, side, side, 3 * config.plane_channels, device=machine.device)
    planes = flat.permute(0, 3, 1, 2).unflatten(1, (3, -1)).requires_grad_()
    decoder = generator.decoder.requires_grad_(True)
    camera = frontal_camera().to(machine.device)
    origins, directions = camera_rays(camera, config.neural_rendering_resolution)

    def render() -> Tensor:
        volume = Volume(config, decoder, planes)
        found, _ = volume.composite(origins, directions, None, random=False, with_weights=False)
        return found.features

    values = [planes, *decoder.parameters()]
    return compare(RENDER_RAYS, render, values, machine)


def activation(side: int, machine: Clock) -> dict[str, Any]:
    """Return the figures of scale, bias, activation and clamp of the last layer."""
    x = torch.randn(1, 128, side, side, device=machine.device).requires_grad_()
    bias, scale = (torch.randn(*shape, device=machine.device) for shape in ((128,), (1, 128)))
    return compare(BIAS_ACT, lambda: BIAS_ACT(x, bias, scale, 0.2, 1.4, 256.0), [x], machine)


def upsampling(side: int, machine: Clock) -> dict[str, Any]:
    """Return the figures of the filter that doubles the size."""
    x = torch.randn(1, 128, side // 2, side // 2, device=machine.device).requires_grad_()
    kernel = resample_filter().to(machine.device)
    return compare(UPFIRDN2D, lambda: UPFIRDN2D(x, kernel, 2, (2, 1), 4.0), [x], machine)


def compare(
    op: Op, work: Callable[[], Tensor], values: list[Tensor], machine: Clock
) -> dict[str, Any]:
    """Return what an op's first implementation takes, and the ratios of what is left without it.

    Args:
        op: whose first implementation for this device is judged.
        work: calls the op.
        values: of which gradients are taken.
        machine: where it runs.
    """
    kernel = "triton" if machine.cuda else "cpu"
    if kernel not in op.explain():
        return {"left_out": f"{op.name} has no kernel for a {machine.device}"}
    if reason := op.explain()[kernel]:
        raise RuntimeError(reason)
    gradient = torch.randn_like(work())

    def forward() -> None:
        with torch.no_grad():
            work()

    def both() -> None:
        torch.autograd.grad(work(), values, gradient)

    with torch.no_grad():
        ours = work()
        with without(op, kernel):
            difference = float((work() - ours).abs().max() / ours.abs().max())
    found: dict[str, Any] = {"kernel": kernel, "difference": difference}
    for name, part in (("forward", forward), ("forward_backward", both)):
        times: list[tuple[float, float]] = []
        for index in range(PAIRS + 1):
            mine = machine.seconds(part)
            with without(op, kernel):
                theirs = machine.seconds(part)
            times += [(mine, theirs)] if index else []
        found[f"{name}_ms"] = round(1000 * statistics.median(mine for mine, _ in times), 3)
        found[f"{name}_ratio"] = round(statistics.median(b / a for a, b in times), 2)
    if machine.cuda:
        mine = machine.peak_above(both) / 2**20
        with without(op, kernel):
            theirs = machine.peak_above(both) / 2**20
        found |= {"memory_mib": round(mine, 1), "memory_ratio": round(theirs / max(mine, 0.1), 1)}
    return found


@contextmanager
def without(op: Op, name: str) -> Iterator[None]:
    """Leave an implementation of an op out, so that the next one computes it."""
    place = [item.name for item in op.implementations].index(name)
    item = op.implementations.pop(place)
    try:
        yield
    finally:
        op.implementations.insert(place, item)


if __name__ == "__main__":
    main()
