"""What Ray costs, and what a second worker brings, on the same stages and the same records.

    python -m benchmarks.bm_overhead --records 48 --steps 3 --repeats 3

Align, invert and stylize noise with the mini models, one thread a process. Every way of running has
its models warm before it is timed. Prints medians and ratios:
  overhead: the pipeline with one worker against the same stage functions in a plain loop;
  speed-up: the pipeline with two workers against one, beside what the machine itself gives two
  plain processes that share the records (two threads of one core give less than 2).
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("RAY_AUTH_MODE", "disabled")

from benchmarks.tiny_job import write_table
from itportrait.bank.store import Bank
from itportrait.bundle import load_bundle
from itportrait.engine.work import ShardTask, run_shard
from itportrait.ingest import list_sources
from itportrait.jobs.ready_made import find_champion
from itportrait.jobs.stylize.config import JobConfig, load_job
from itportrait.jobs.stylize.job import StylizeJob
from itportrait.on_ray.backend import RayBackend
from itportrait.on_ray.session import ray_session
from itportrait.stages.recipe import Recipe
from itportrait.stages.registry import CHAIN
from itportrait.stages.shards import Shard, iter_shards

ALIGN, INVERT, STYLIZE = CHAIN

ROOT = Path(__file__).resolve().parent.parent
WARM = 2
"""Shards of the run that loads the models."""


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--records", type=int, default=48)
    parser.add_argument("--shard-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=3, help="of the inversion")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), arguments)
        plain = bench.in_processes(1)
        halves = bench.in_processes(2)
        one, two = bench.on_ray(1), bench.on_ray(2)
    print(f"plain loop {plain:.2f} s, pipeline with one worker {one:.2f} s")
    print(f"overhead of Ray: {100 * (one / plain - 1):+.1f} %")
    print(f"pipeline with two workers {two:.2f} s: speed-up {one / two:.2f} x")
    print(f"two plain processes {halves:.2f} s: the machine gives {plain / halves:.2f} x")


class Bench:
    """The ways of running the same job, each timed a few times with warm models."""

    def __init__(self, root: Path, arguments: argparse.Namespace) -> None:
        self.root, self.repeats, self.steps = root, arguments.repeats, arguments.steps
        self.shard_size, self.count = arguments.shard_size, 0
        write_table(root / "photos.parquet", arguments.records, arguments.shard_size)

    def config(self) -> JobConfig:
        """Return the job's configuration with an output of its own."""
        self.count += 1
        settings = [
            "align.size=128",
            f"ingest.shard_size={self.shard_size}",
            "invert.method=w_plus",
            f"invert.steps={self.steps}",
            f"invert.batch_size={self.shard_size}",
            "invert.early_stop=false",
            "stylize={views_deg: [[20, 0]], batch_size: 8}",
            "tracking.uri=none",
        ]
        return load_job(
            None,
            settings,
            domains=["clown"],
            input=str(self.root / "photos.parquet"),
            output=str(self.root / f"out{self.count}"),
            bank=str(self.root / "bank"),
        )

    def on_ray(self, workers: int) -> float:
        """Return the median seconds of the pipeline on an embedded Ray of so many cores."""
        with ray_session(None, num_cpus=workers):
            self._pipeline(WARM * workers)
            return statistics.median(self._pipeline(None) for _ in range(self.repeats))

    def in_processes(self, workers: int) -> float:
        """Return the median seconds of plain loops in so many processes at once."""
        context = get_context("spawn")
        barrier = context.Barrier(workers + 1)
        runs = [[self.config() for _ in range(self.repeats + 1)] for _ in range(workers)]
        processes = [
            context.Process(target=plain_loop, args=(runs[rank], rank, workers, barrier))
            for rank in range(workers)
        ]
        for process in processes:
            process.start()
        seconds = []
        for _ in range(self.repeats + 1):  # the first one loads the models
            barrier.wait()
            began = time.perf_counter()
            barrier.wait()
            seconds.append(time.perf_counter() - began)
        for process in processes:
            process.join()
            if process.exitcode:
                sys.exit(f"a plain loop ended with {process.exitcode}")
        return statistics.median(seconds[1:])

    def _pipeline(self, shards: int | None) -> float:
        config = self.config()
        job = StylizeJob(config, load_bundle(config.bundle).model_id, RayBackend())
        chosen = list(job.shards())[:shards]
        began = time.perf_counter()
        job.pipeline().run(iter(chosen))
        return time.perf_counter() - began


def plain_loop(configs: list[JobConfig], rank: int, workers: int, barrier) -> None:
    """Run the stage functions over every `workers`-th shard, once a configuration."""
    import torch

    torch.set_num_threads(1)
    for number, config in enumerate(configs):
        shards = list(shards_of(config))[rank::workers]
        stages = recipes(config)
        with together(barrier):
            for shard in shards[: WARM if number == 0 else None]:
                for recipe in stages:
                    run_shard(recipe, ShardTask(shard))


@contextmanager
def together(barrier) -> Iterator[None]:
    """Begin and end the block with all other processes."""
    barrier.wait()
    yield
    barrier.wait()


def shards_of(config: JobConfig) -> Iterator[Shard]:
    """Return the shards of a job's input."""
    sources = list_sources(config.input, patterns=config.ingest.patterns)
    return iter_shards(sources, config.ingest.shard_size)


def recipes(config: JobConfig) -> list[Recipe]:
    """Return the stages of a job of one ready-made domain."""
    model_id = load_bundle(config.bundle).model_id
    version = find_champion("clown", Bank(config.bank), config.bundle)
    chain = [config.recipe(stage, model_id) for stage in (ALIGN, INVERT)]
    return [*chain, config.recipe(STYLIZE, model_id, version=version)]


if __name__ == "__main__":
    main()
