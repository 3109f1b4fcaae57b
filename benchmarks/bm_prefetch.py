"""What share of a GPU's time is used while the cores of its machine align photos.

    python -m benchmarks.bm_prefetch [--cores 16] [--shards 40] [--share 0.5] [--scale 5]

The job's own pipeline on an embedded Ray that is told of 16 cores and a GPU. Stages sleep for as
long as they would compute, so that two real cores suffice: aligning keeps nine tenths of the cores
busy at the GPU's speed; a task of invert or stylize decodes, holds the GPU, and encodes; a process
that takes the GPU first loads models. The share is that of the time from the GPU's first work to
its last. Without `--share`, the job's default share of a GPU is used. Ray takes a few hundredths
of a second to start a task, and more on a busy machine; `--scale` sets it against longer tasks.
`tests/engine/test_prefetch.py` has the same in a simulated time.
"""

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("RAY_AUTH_MODE", "disabled")

import ray

from benchmarks.prefetch_stages import BUILDER, PLAN, USED
from benchmarks.tiny_job import write_job
from itportrait.bundle import load_bundle
from itportrait.jobs.stylize.config import load_job
from itportrait.jobs.stylize.job import StylizeJob
from itportrait.on_ray.backend import RayBackend
from itportrait.on_ray.session import quiet

ROOT = Path(__file__).resolve().parent.parent
SHARD = 8
"""Portraits of a shard."""
GPU_S = {"invert": 1.6, "stylize": 0.4}
"""Seconds of the GPU for a shard."""
CPU_S = {"invert": 0.1, "stylize": 0.3}
"""Seconds of a core for a shard's pixels, before and after the GPU's work."""
LOAD_S = 1.0
"""Seconds in which a process loads its models."""


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cores", type=int, default=16)
    parser.add_argument("--shards", type=int, default=40)
    parser.add_argument("--share", type=float, help="GPUs that a task reserves")
    parser.add_argument("--scale", type=float, default=5.0, help="factor on all seconds")
    parser.add_argument("--align", type=float, default=0.9, help="share of the cores that align")
    arguments = parser.parse_args()
    surroundings = {"env_vars": {"PYTHONPATH": str(ROOT)}}
    quiet()
    ray.init(
        num_cpus=arguments.cores,
        num_gpus=1,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env=surroundings,
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(used(Path(folder), arguments)))
    finally:
        ray.shutdown()


def used(root: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Return the share of the GPU's time that was used, and its parts."""
    each = arguments.scale / SHARD
    align_s = arguments.align * arguments.cores * sum(GPU_S.values())
    plan = {"align": {"cpu_s": each * align_s, "gpu_s": 0.0}, "load_s": arguments.scale * LOAD_S}
    for stage, seconds in GPU_S.items():
        plan[stage] = {"cpu_s": each * CPU_S[stage], "gpu_s": each * seconds}
    (root / "job").mkdir()
    (root / "job" / PLAN).write_text(json.dumps(plan))
    began = time.time()
    run(root, arguments)
    spans = [line.split() for line in (root / "job" / USED).read_text().splitlines()]
    starts, ends = ([float(span[side]) for span in spans] for side in (0, 1))
    busy = sum(end - start for start, end in zip(starts, ends))
    whole = max(ends) - min(starts)
    return {
        "used": round(busy / whole, 4),
        "busy_s": round(busy, 1),
        "from_first_to_last_s": round(whole, 1),
        "until_first_s": round(min(starts) - began, 1),
        "tasks": len(spans),
    }


def run(root: Path, arguments: argparse.Namespace) -> None:
    """Run the job on so many shards."""
    shares = {} if arguments.share is None else {"gpus": arguments.share}
    path = write_job(
        root / "job",
        SHARD * arguments.shards,
        shard_size=SHARD,
        resources={stage: shares for stage in GPU_S},
    )
    config = load_job(str(path))
    job = StylizeJob(config, load_bundle(config.bundle).model_id, RayBackend())
    job.chain = tuple(replace(recipe, builder=BUILDER) for recipe in job.chain)
    for domain in job.domains:
        assert domain.recipe is not None
        domain.recipe = replace(domain.recipe, builder=BUILDER)
    job.pipeline().run(job.shards())


if __name__ == "__main__":
    main()
