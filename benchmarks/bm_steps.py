"""Time and memory of the generator and of a step of each method that trains weights.

    python -m benchmarks.bm_steps --device cuda [--family ffhq512] [--json steps.json]

Everything has the published sizes and random weights: nothing is downloaded, and pictures mean
nothing. Needs torch and what the core layers import (pydantic, PyYAML, safetensors, fsspec, numpy):
neither Ray nor MLflow nor open_clip. Prints one JSON line a part; a part that fails says so in its
line and the others go on. On a CPU the published sizes take minutes a part.
"""

import argparse
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from benchmarks.clock import Clock
from benchmarks.parts import run_parts
from benchmarks.random_models import GENERATORS, random_bundle
from itportrait.adapt import DomainSpec, Reference
from itportrait.adapt.methods import METHODS, MethodContext, config_of
from itportrait.geometry.camera import frontal_camera

PAIR = {"pair": {"steps": 2}}
METHOD_RUNS: tuple[tuple[str, str, dict[str, Any], int], ...] = (
    ("itportrait", "image_text", PAIR, 12),
    ("stylegan_nada", "text", {}, 6),
    ("jojogan", "image", PAIR, 6),
    ("your3demoji", "image", {"teacher": {**PAIR, "steps": 2}}, 4),
    ("dr3d", "image", {"batch": 1}, 3),
    ("dr3d", "image", {"batch": 8}, 3),
)
"""Method, mode, settings, number of steps."""


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
    bundle = random_bundle(arguments.family, arguments.device)
    parts = {"generator": lambda: generator_times(bundle.generator, machine)}
    for name, mode, options, steps in METHOD_RUNS:
        label = " ".join([name, *(f"{k} {v}" for k, v in options.items() if k == "batch")])
        parts[label] = lambda run=(name, mode, options, steps): method_times(*run, bundle, machine)
    run_parts(parts, machine, arguments.json)


def generator_times(generator: Any, machine: Clock) -> dict[str, float]:
    """Return the times of planes, views, and inversion steps of 1 and of 8 portraits."""
    camera = frontal_camera().to(machine.device)
    with torch.no_grad():
        ws = generator.mapping(torch.randn(1, generator.z_dim).to(machine.device), camera)
        planes = generator.planes(ws)
        found = {
            "planes_ms": machine.median_ms(lambda: generator.planes(ws)),
            "raw_view_ms": machine.median_ms(
                lambda: generator.render(planes, ws, camera, super_resolve=False)
            ),
            "view_ms": machine.median_ms(lambda: generator.render(planes, ws, camera)),
        }
    for count in (1, 8):
        codes = ws.repeat(count, 1, 1).requires_grad_()
        cameras = camera.expand(count, -1)

        def step(codes: torch.Tensor = codes, cameras: torch.Tensor = cameras) -> None:
            image = generator.synthesize(codes, cameras).final_image
            image.square().mean().backward()

        machine.forget_peak()
        found[f"inversion_step_{count}_ms"] = machine.median_ms(step, 3)
        found[f"inversion_step_{count}_gib"] = machine.peak_gib()
    return found


def method_times(
    name: str, mode: str, options: dict[str, Any], steps: int, bundle: Any, machine: Clock
) -> dict[str, Any]:
    """Return the time before the first step, of each step, and the peak of memory."""
    config = config_of(name).parse(options)
    inputs: dict[str, Any] = {"prompt": "a bronze statue"} if mode != "image" else {}
    if "set" in config.accepts:
        inputs |= {"pictures": "mini:zombie", "train": "all"}
    elif mode != "text":
        inputs |= {"references": ["style.png"]}
    spec = DomainSpec.parse({"name": "style", "mode": mode, "method": name, **inputs})
    side = bundle.generator.image_resolution
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
    references = [Reference(pixels, frontal_camera()[0].numpy(), "style.png")]
    context = MethodContext(
        bundle,
        spec,
        config,
        references if spec.references else [],
        pictures=RandomPictures(side) if spec.pictures else None,
    )
    machine.forget_peak()
    made: list[Any] = []
    setup = machine.seconds(lambda: made.append(METHODS.get(name)(context)))
    times = [machine.seconds(lambda i=index: made[0].step(i)) for index in range(steps)]
    return {
        "setup_s": round(setup, 2),
        "steps_s": [round(each, 3) for each in times],
        "peak_gib": machine.peak_gib(),
    }


class RandomPictures:
    """A set of pictures that are noise."""

    count = 64

    def __init__(self, side: int) -> None:
        self.side = side

    def batch(self, step: int, count: int, *, seed: int, rank: int = 0) -> SimpleNamespace:
        """Return pictures `[count, 3, S, S]`, which the step draws."""
        rng = torch.Generator().manual_seed(seed + step)
        images = torch.randn(count, 3, self.side, self.side, generator=rng)
        return SimpleNamespace(images=images, cameras=None)


if __name__ == "__main__":
    main()
