"""Chaos: a job that loses processes, nodes, its driver and writes must lose nothing else.

    python -m benchmarks.bm_chaos --records 2000 --every 20

Runs the job (real stages, tiny models, noise) once in peace and once with a fault every few
seconds, in turn: a worker killed with -9; a node removed without notice and another one added;
the driver killed with -9 and submitted again. Two more are there all the time, and two turns of
five are left to them: one record ends every process that opens it (in the run in peace too), and
every 50th write of a worker fails, as does every 50th call of the driver, reading or writing.
Every eighth portrait (`--repeat-every`) has the picture of an earlier one. Compares the two outputs
row by row.
"""

import argparse
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.update(RAY_health_check_period_ms="500", RAY_health_check_failure_threshold="3")

import psutil
from ray.cluster_utils import Cluster

from benchmarks.chaos_stages import CALM, WILD
from benchmarks.tiny_job import DOMAIN, write_job
from itportrait.distributed.recipes import ALIGN, INVERT, RECORD_TYPES, STYLIZE, table_root
from itportrait.distributed.work import row_digest
from itportrait.io.commits import StageTable

ROOT = Path(__file__).resolve().parent.parent
FAULTS = ("worker killed", "poison record", "node replaced", "flaky storage", "driver killed")
STAGES = ((ALIGN, ""), (INVERT, ""), (STYLIZE, DOMAIN))


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--every", type=float, default=20, help="seconds between two faults")
    parser.add_argument("--shard-size", type=int, default=50)
    parser.add_argument("--repeat-every", type=int, default=8, help="0: no picture twice")
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory() as folder, SimulatedCluster() as cluster:
        config = write_job(
            Path(folder),
            arguments.records,
            shard_size=arguments.shard_size,
            repeat_every=arguments.repeat_every,
        )
        calm, wild = f"{folder}/calm", f"{folder}/wild"
        began = time.perf_counter()
        finish(submit(config, calm, CALM, cluster))
        print(f"in peace: {time.perf_counter() - began:.0f} s", flush=True)
        began = time.perf_counter()
        faults = disturb(config, wild, cluster, arguments.every)
        print(f"in chaos: {time.perf_counter() - began:.0f} s, faults: {faults}", flush=True)
        compare(calm, wild, arguments.records)


class SimulatedCluster:
    """A head without work and two nodes of one core each, any of which may go."""

    def __enter__(self) -> "SimulatedCluster":
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        self.nodes = [self.cluster.add_node(num_cpus=1) for _ in range(2)]
        self.cluster.wait_for_nodes()
        self.address = self.cluster.address
        return self

    def __exit__(self, *_: object) -> None:
        self.cluster.shutdown()

    def replace_a_node(self) -> None:
        """Take a node away without notice and add another one."""
        gone = self.nodes.pop(random.randrange(len(self.nodes)))
        self.cluster.remove_node(gone, allow_graceful=False)
        self.nodes.append(self.cluster.add_node(num_cpus=1))


def submit(config: Path, output: str, kernels: str, cluster: SimulatedCluster) -> subprocess.Popen:
    """Start the job's process."""
    command = [sys.executable, "-m", "benchmarks.chaos_job", str(config), output, kernels]
    return subprocess.Popen(
        [*command, cluster.address],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen) -> None:
    """Wait for the end of a job; one that failed ends the benchmark."""
    _, errors = process.communicate()
    if process.returncode != 0:
        sys.exit(f"the job failed with {process.returncode}:\n{errors[-3000:]}")


def disturb(config: Path, output: str, cluster: SimulatedCluster, every: float) -> dict[str, int]:
    """Run the job with a fault every so many seconds; return how many there were of each kind."""
    process = submit(config, output, WILD, cluster)
    counts = dict.fromkeys(FAULTS, 0)
    for kind in itertools.cycle(FAULTS):
        deadline = time.monotonic() + every
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.2)
        if process.poll() is not None:
            finish(process)
            return counts
        if kind == "worker killed" and not kill_a_worker():
            continue
        if kind == "node replaced":
            cluster.replace_a_node()
        if kind == "driver killed":
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            process = submit(config, output, WILD, cluster)
        counts[kind] += 1
        print(f"  {kind}", flush=True)
    raise AssertionError("the faults never end")


def kill_a_worker() -> bool:
    """Kill a process that works on a shard, if there is one."""
    names = ("align", "invert", "stylize")
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            title = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if title.startswith("ray::") and any(name in title for name in names):
            found.append(process)
    if found:
        random.choice(found).kill()
    return bool(found)


def compare(calm: str, wild: str, records: int) -> None:
    """Compare two outputs; differences end the benchmark with 1."""
    differing = 0
    for stage, domain in STAGES:
        ours, theirs = rows_of(calm, stage, domain), rows_of(wild, stage, domain)
        odd = [key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)]
        repeated = [key for key, rows in theirs.items() if len(rows) != 1]
        differing += len(odd) + len(repeated)
        print(
            f"{stage}: {len(theirs)} inputs, {computed(calm, stage, domain)} computed in peace and "
            f"{computed(wild, stage, domain)} in chaos, {len(repeated)} without exactly one row, "
            f"{len(odd)} rows that differ from the run in peace"
        )
    aligned = len(rows_of(wild, ALIGN, ""))
    if differing or aligned != records:
        sys.exit(f"{differing} differences; {aligned} of {records} records have a row")
    print("exactly one row per input and stage; outputs bit-identical")


def computed(output: str, stage: str, domain: str) -> int:
    """Return how many rows the last attempt at each shard computed itself."""
    table = StageTable(table_root(output, stage, domain), RECORD_TYPES[stage])
    return sum(commit.computed for commit in table.commits())


def rows_of(output: str, stage: str, domain: str) -> dict[tuple, list[tuple]]:
    """Return rows by shard and key: status, kind of error, digest of the content, pictures."""
    table = StageTable(table_root(output, stage, domain), RECORD_TYPES[stage])
    found: dict[tuple, list[tuple]] = {}
    for commit in table.commits():
        for row in table.read_rows(commit):
            record = row.record
            error = record.error.type if record.error else ""
            content = (str(record.status), error, row_digest(record), row.pictures)
            found.setdefault((commit.shard, row.key), []).append(content)
    return found


if __name__ == "__main__":
    main()
