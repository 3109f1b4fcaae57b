"""Many records on simulated nodes: does the job end, how much memory does its driver take.

    python -m benchmarks.bm_scale --records 2000 20000 --nodes 4

Runs `workflows/stylize_dataset.py` (align, invert and stylize with a tiny bundle, one step) on a
cluster of simulated nodes of one core each, once for every number of records, and the last one a
second time. Prints seconds, records per second, and the driver's peak memory of each run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tiny_job import write_job

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Run:
    """One run of the job: its time, the driver's peak memory, and what it printed."""

    seconds: float
    peak_mb: float
    output: str


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--records", type=int, nargs="+", default=[2000, 20000])
    parser.add_argument("--nodes", type=int, default=4, help="simulated, of one core each")
    parser.add_argument("--shard-size", type=int, default=250)
    arguments = parser.parse_args()
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ["PYTHONPATH"] = str(ROOT)
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    for _ in range(arguments.nodes - 1):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    try:
        with tempfile.TemporaryDirectory() as folder:
            for records in arguments.records:
                root = Path(folder) / str(records)
                config = write_job(root, records, shard_size=arguments.shard_size)
                report(records, "first run", run(config, cluster.address), root)
            report(records, "second run", run(config, cluster.address), root)
    finally:
        cluster.shutdown()


def run(config: Path, address: str) -> Run:
    """Run the job and watch the memory of its driver.

    Raises:
        SystemExit: the job failed; with the end of what it printed.
    """
    command = [sys.executable, "workflows/stylize_dataset.py", "--config", str(config)]
    command += ["--address", address]
    began, peak = time.perf_counter(), 0.0
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen(command, cwd=ROOT, stdout=printed, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = max(peak, peak_mb(process.pid))
            time.sleep(0.05)
        printed.seek(0)
        text = printed.read()
    if process.returncode != 0:
        sys.exit(f"the job failed with {process.returncode}:\n{text[-3000:]}")
    return Run(time.perf_counter() - began, peak, text)


def peak_mb(pid: int) -> float:
    """Return the largest resident memory of a process so far, in MB; 0 once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def report(records: int, name: str, done: Run, root: Path) -> None:
    """Print a run's figures."""
    about = json.loads((root / "out" / "run.json").read_text())
    rows = {stage: values["inputs"] for stage, values in about["stages"].items()}
    kept = "nothing to do" if "Nothing to do" in done.output else ""
    print(
        f"{records} records, {name}: {done.seconds:.1f} s in all, {about['seconds']} s of them the "
        f"job's, {records / done.seconds:.0f} records/s, driver's peak {done.peak_mb:.0f} MB, "
        f"counts {about['counts']}, rows {rows} {kept}",
        flush=True,
    )


if __name__ == "__main__":
    main()
