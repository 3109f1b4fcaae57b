"""Memory and time of one tuning step of the published 512 px configuration.

    python benchmarks/bm_tuning.py [--family ffhq512] [--batch 1] [--steps 3] [--rank 12]

The generator has random weights, and the perception models are those of the embedded family, at the
published family's resolution. Prints the largest resident memory of the process, what of it there
was before the first step, and the seconds of a step, one with the depth term and one without.
"""

import argparse
import resource
import time

import torch

from itportrait.bundle import load_bundle
from itportrait.generator import TriPlaneGenerator, ffhq512_config, mini_config
from itportrait.geometry.camera import frontal_camera
from itportrait.invert.problem import Problem, Solution
from itportrait.invert.tuning import Tuner, TuningConfig

FAMILIES = {"ffhq512": ffhq512_config, "mini": mini_config}


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--family", default="ffhq512", choices=sorted(FAMILIES))
    parser.add_argument("--batch", type=int, default=1, help="portraits")
    parser.add_argument("--steps", type=int, default=3, help="of which the last is not timed")
    parser.add_argument("--rank", type=int, help="of the differences; in full where it is left out")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    bundle = load_bundle("mini")
    generator = TriPlaneGenerator(FAMILIES[arguments.family]()).eval().requires_grad_(False)
    bundle.generator = generator
    camera = frontal_camera(bundle.orbit).expand(arguments.batch, -1)
    size = generator.image_resolution
    problem = Problem.of(
        torch.rand(arguments.batch, 3, size, size) * 2 - 1,
        camera,
        tuple(str(number) for number in range(arguments.batch)),
    )
    ws = torch.randn(arguments.batch, generator.num_ws, generator.w_dim) * 0.5
    solutions = [Solution(w, c, steps=0, seconds=0.0) for w, c in zip(ws, camera, strict=True)]
    options = TuningConfig(rank=arguments.rank, steps=arguments.steps, check_every=10**6)
    tuner = Tuner(problem, solutions, options=options, bundle=bundle, seed=0, early_stop=False)
    count = sum(parameter.numel() for parameter in generator.parameters())
    print(f"{arguments.family}: {count:,} parameters, {peak_gib():.2f} GiB before the first step")
    for number in range(arguments.steps - 1):  # the last one ends in a check of both sides
        wall, own = time.perf_counter(), time.process_time()
        broken = tuner.step()
        tuner.schedule.advance()
        wall, own = time.perf_counter() - wall, time.process_time() - own
        depth = "with" if number % options.depth_every == 0 else "without"
        print(
            f"step {number}, {depth} depth: {wall:.1f} s ({own:.1f} s of a core), "
            f"peak {peak_gib():.2f} GiB"
        )
        assert not bool(broken.any()), "the step is not finite"
    with torch.no_grad():
        tuner.check.holds(tuner.generator())
    print(f"check of both sides: peak {peak_gib():.2f} GiB")


def peak_gib() -> float:
    """Return the largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
