"""Memory pressure: a job beside a process that takes all but 1 GB of the machine for a minute.

    python -m benchmarks.bm_pressure --records 64 --memory-gb 5

Runs the job (real stages, tiny models, noise; two workers) once in peace and once beside that
process, both in a control group of 5 GB that they take for the whole machine. Ray ends tasks while
the memory is gone. Compares the two outputs row by row: the same rows, the same bytes, nothing
quarantined. Needs root.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("RAY_AUTH_MODE", "disabled")

from benchmarks.bm_chaos import ROOT, STAGES, compare
from benchmarks.chaos_stages import CALM
from benchmarks.memory_group import GIB, MemoryGroup
from benchmarks.tiny_job import write_job
from itportrait.stages.recipe import stage_table

UNUSED = 0.03
"""Share of the memory that the hog leaves unused: Ray ends tasks below 0.05."""


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--records", type=int, default=64)
    parser.add_argument("--shard-size", type=int, default=4)
    parser.add_argument("--memory-gb", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    limit = int(arguments.memory_gb * GIB)
    with tempfile.TemporaryDirectory() as folder, MemoryGroup("pressure", limit) as group:
        config = write_job(Path(folder), arguments.records, shard_size=arguments.shard_size)
        calm, wild = f"{folder}/calm", f"{folder}/wild"
        began = time.perf_counter()
        run(group, config, calm)
        print(f"in peace: {time.perf_counter() - began:.0f} s", flush=True)
        began = time.perf_counter()
        events = run(group, config, wild, hog_s=arguments.seconds)
        print(f"under pressure: {time.perf_counter() - began:.0f} s", flush=True)
        for text in ("lost to memory", "waits", "its process was lost", "quarantined"):
            count = sum(text in line for line in events.splitlines())
            print(f"  {text}: {count} times")
        compare(calm, wild, arguments.records)
        check_nothing_failed(wild)


def run(group: MemoryGroup, config: Path, output: str, hog_s: float = 0.0) -> str:
    """Run the job to its end, beside a hog from its first commit on; return what it said."""
    log = Path(f"{output}.log")
    command = [sys.executable, "-m", "benchmarks.chaos_job", str(config), output, CALM, ""]
    with log.open("w") as file:
        job = group.start(command, cwd=ROOT, stdout=file, stderr=file)
        hog = None
        if hog_s:
            wait_for_a_commit(job, Path(output))
            # All but 1 GB of the machine.
            arguments = [str(GIB), str(hog_s), str(UNUSED)]
            hog = group.start([sys.executable, "-m", "benchmarks.hog", *arguments], cwd=ROOT)
        job.wait()
        if hog is not None:
            hog.wait()
    if job.returncode != 0:
        sys.exit(f"the job failed with {job.returncode}:\n{log.read_text()[-3000:]}")
    return log.read_text()


def wait_for_a_commit(job, output: Path) -> None:
    """Wait until the job has computed its first shard."""
    folder = output / "aligned" / "_commits"
    while job.poll() is None and not (folder.exists() and any(folder.iterdir())):
        time.sleep(0.05)


def check_nothing_failed(output: str) -> None:
    """End the benchmark with 1 if a record failed."""
    failed = 0
    for stage, domain in STAGES:
        table = stage_table(output, stage, domain)
        failed += sum(commit.failed for commit in table.commits())
    if failed:
        sys.exit(f"{failed} rows failed")
    print("nothing failed, nothing is quarantined")


if __name__ == "__main__":
    main()
