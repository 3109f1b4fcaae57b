"""What a user waits for, on one device: portraits inverted a second, and one domain adapted.

    python -m benchmarks.bm_rates --device cuda [--family ffhq512] [--json rates.json]

The generator has the published sizes and random weights, as have the networks that judge: pictures
mean nothing, times and memory do. Inversion is measured at growing batches, until one does not fit
or is slower a portrait. Each batch is inverted once untimed, since code may be compiled for it, and
then by a few steps; the rate is told for all steps of the default settings. The domain is adapted
by words and a picture for `Measured.domain_steps` steps, all of them run.
Needs what the core layers import: neither Ray nor MLflow nor open_clip.
"""

import argparse
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from benchmarks.bm_steps import method_times
from benchmarks.clock import Clock
from benchmarks.parts import run_parts
from benchmarks.random_models import GENERATORS, random_bundle
from itportrait.geometry.camera import frontal_camera
from itportrait.invert import InvertConfig, Inverter
from itportrait.records import AlignedRecord


@dataclass(frozen=True)
class Measured:
    """What is run.

    Args:
        batches: portraits that are inverted at once.
        inversion_steps: of two inversions; their difference is what the steps between take.
        domain_steps: of one domain.
        domain_options: of its method.
    """

    batches: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    inversion_steps: tuple[int, int] = (4, 16)
    domain_steps: int = 401
    domain_options: Mapping[str, Any] = field(default_factory=dict[str, Any])


QUICK = Measured((1,), (1, 2), 2, {"pair": {"steps": 2}})


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--family", default="ffhq512", choices=sorted(GENERATORS))
    parser.add_argument("--quick", action="store_true", help="two steps of everything")
    parser.add_argument("--json", help="write all figures there too")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    machine = Clock(arguments.device)
    bundle = random_bundle(arguments.family, arguments.device)
    measured = QUICK if arguments.quick else Measured()
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "inversion": lambda: inversion(bundle, machine, measured),
        "domain": lambda: domain(bundle, machine, measured),
    }
    run_parts(parts, machine, arguments.json)


def inversion(bundle: Any, machine: Clock, measured: Measured) -> dict[str, Any]:
    """Return the portraits a second by batch, the best of them, and what memory it took."""
    steps, (few, more) = InvertConfig().steps, measured.inversion_steps
    batches: dict[str, dict[str, float] | str] = {}
    best: dict[str, float] = {}
    for count in measured.batches:
        machine.forget_peak()
        try:
            # The first is not looked at: whatever is compiled for the batch is compiled there.
            _, *taken = [seconds_of(bundle, machine, count, each) for each in (few, few, more)]
        except torch.OutOfMemoryError:
            batches[str(count)] = "out of memory"
            break
        step = (taken[1] - taken[0]) / (more - few)
        rate = count / (taken[0] + step * (steps - few))
        figures = {
            "step_ms": round(1000 * step, 2),
            "portraits_a_second": round(rate, 4),
            "peak_gib": machine.peak_gib(),
        }
        batches[str(count)] = figures
        if best and rate < best["portraits_a_second"]:
            break
        best = {"batch": count, **figures}
    return {"method": InvertConfig().method, "steps": steps, "best": best, "batches": batches}


def seconds_of(bundle: Any, machine: Clock, count: int, steps: int) -> float:
    """Return how long a batch of noise takes to be inverted by so many steps."""
    side = bundle.generator.image_resolution
    rng = np.random.default_rng(0)
    camera = frontal_camera()[0].numpy()
    records = [
        AlignedRecord(
            record_id=f"{index:04d}",
            uri="",
            pixels=rng.integers(0, 256, (side, side, 3)).astype(np.uint8),
            camera=camera,
        )
        for index in range(count)
    ]
    inverter = Inverter(InvertConfig.parse({"steps": steps, "batch_size": count}), bundle)
    rows = []
    seconds = machine.seconds(lambda: rows.extend(inverter.invert(records)))
    failed = [str(row.error) for row in rows if row.status == "failed"]
    if failed:
        raise RuntimeError(failed[0])
    return seconds


def domain(bundle: Any, machine: Clock, measured: Measured) -> dict[str, Any]:
    """Return the seconds and the memory of one domain, by words and a picture."""
    options, steps = dict(measured.domain_options), measured.domain_steps
    found = method_times("itportrait", "image_text", options, steps, bundle, machine)
    times = found["steps_s"]
    return {
        "steps": steps,
        "image_text_models": "random weights, the sizes of ViT-B/32 and ViT-B/16",
        "seconds": round(found["setup_s"] + sum(times), 1),
        "setup_s": found["setup_s"],
        "median_step_s": round(statistics.median(times), 4),
        "peak_gib": found["peak_gib"],
    }


if __name__ == "__main__":
    main()
