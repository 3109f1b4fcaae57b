"""Chaos: a job that loses processes, nodes, its driver and writes must lose nothing else.

    python -m benchmarks.bm_chaos --records 2000 --every 20
    python -m benchmarks.bm_chaos --records 200 --shard-size 20 --method pti

Runs the job (real stages, tiny models, noise) once in peace and once with a fault every few
seconds, in turn: a worker killed with -9; a node removed without notice and another one added;
the driver killed with -9 and submitted again; nearly all memory taken for a while and given back;
Ray's agent of a node (its raylet) killed under its tasks; the disk of the output filled, and freed
once the job has ended by it. Three more are there all the time, and two turns are left to them: one
record ends every process that opens it (in the run in peace too); every 50th write of a worker
fails, as does every 50th call of the driver, reading or writing; and the wall clock of all of them
jumps by hours. Every eighth portrait (`--repeat-every`) has the picture of an earlier one. Compares
the two outputs row by row; with `--method pti`, the weights of portraits are part of a row.

All of it runs in a control group of a few GB with a small disk of its own: this needs root.
"""

import argparse
import contextlib
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
from benchmarks.memory_group import GIB, MemoryGroup
from benchmarks.tiny_job import DOMAIN, write_job
from itportrait.config import fingerprint
from itportrait.io.parquet import Row
from itportrait.stages.digests import row_digest
from itportrait.stages.recipe import stage_table
from itportrait.stages.registry import CHAIN

ALIGN, INVERT, STYLIZE = CHAIN

ROOT = Path(__file__).resolve().parent.parent
FAULTS = (
    "worker killed",
    "memory taken",
    "poison record",
    "node replaced",
    "raylet killed",
    "flaky storage",
    "driver killed",
    "disk filled",
)
HOG_S, UNUSED = 12, 0.03
DISK_MB = 256
METHODS: dict[str, dict] = {
    "w_plus": {},
    # The pictures are noise: any change may count as worse from the side.
    "pti": {"steps": 2, "lr": 0.02, "side_loss": 100, "depth_variance": [0, 100]},
}
"""Settings of the inversion methods that can be asked for."""
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
    parser.add_argument("--method", choices=sorted(METHODS), default="w_plus", help="of inversion")
    parser.add_argument("--memory-gb", type=float, default=8.0)
    parser.add_argument("--log", help="file that gets all that the jobs say")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    if arguments.inside:
        run(arguments)
        return
    with MemoryGroup("chaos", int(arguments.memory_gb * GIB)) as group:
        again = [sys.executable, "-m", "benchmarks.bm_chaos", *sys.argv[1:], "--inside"]
        sys.exit(group.start(again, cwd=ROOT).wait())


def run(arguments: argparse.Namespace) -> None:
    """Run the job in peace and in chaos, and compare."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Disk(Path(folder) / "disk") as disk,
        SimulatedCluster() as cluster,
    ):
        config = write_job(
            Path(folder),
            arguments.records,
            shard_size=arguments.shard_size,
            repeat_every=arguments.repeat_every,
            invert=inversion_by(arguments.method),
        )
        if arguments.log:
            os.symlink(Path(arguments.log).absolute(), log_of(config))
        calm, wild = f"{folder}/calm", f"{disk.folder}/wild"
        began = time.perf_counter()
        finish(submit(config, calm, CALM, cluster))
        print(f"in peace: {time.perf_counter() - began:.0f} s", flush=True)
        began = time.perf_counter()
        faults = Chaos(config, wild, cluster, disk).run(arguments.every)
        print(f"in chaos: {time.perf_counter() - began:.0f} s, faults: {faults}", flush=True)
        compare(calm, wild, arguments.records)


def inversion_by(method: str) -> dict:
    """Return the settings of the invert stage."""
    return {
        "method": method,
        "methods": {method: METHODS[method]},
        "steps": 1,
        "batch_size": 64,
        "statistics_samples": 64,
    }


class Disk:
    """A small disk for the time of the block, in this process's own view of the machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> "Disk":
        self.folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(self.folder)]
        subprocess.run(mount, check=True)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    def fill(self) -> None:
        """Take all space."""
        with contextlib.suppress(OSError), (self.folder / "ballast").open("wb", 0) as file:
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        """Give the space back."""
        (self.folder / "ballast").unlink()


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

    def kill_an_agent(self) -> None:
        """Kill the raylet of a node under its tasks, and add another node."""
        node = self.nodes.pop(random.randrange(len(self.nodes)))
        node.all_processes["raylet"][0].process.kill()
        self.nodes.append(self.cluster.add_node(num_cpus=1))


def submit(config: Path, output: str, builder: str, cluster: SimulatedCluster) -> subprocess.Popen:
    """Start the job's process."""
    command = [sys.executable, "-m", "benchmarks.chaos_job", str(config), output, builder]
    with log_of(config).open("a") as log:
        return subprocess.Popen(
            [*command, cluster.address],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )


def log_of(config: Path | str) -> Path:
    """Return the file of all that the job with a configuration has said."""
    return Path(f"{config}.log")


def finish(process: subprocess.Popen) -> None:
    """Wait for the end of a job; one that failed ends the benchmark."""
    if process.wait() != 0:
        log = log_of(process.args[3]).read_text()
        sys.exit(f"the job failed with {process.returncode}:\n{log[-3000:]}")


class Chaos:
    """The job with one fault after the other.

    Args:
        config: of the job.
        output: of the job, on the disk.
        cluster: whose nodes go.
        disk: that is filled.
    """

    def __init__(self, config: Path, output: str, cluster: SimulatedCluster, disk: Disk) -> None:
        self.config, self.output, self.cluster, self.disk = config, output, cluster, disk
        self.counts = dict.fromkeys(FAULTS, 0)
        self.hog: subprocess.Popen | None = None

    def run(self, every: float) -> dict[str, int]:
        """Run the job to its end; return how many faults there were of each kind."""
        self._submit()
        for kind in itertools.cycle(FAULTS):
            deadline = time.monotonic() + every
            while time.monotonic() < deadline and self.process.poll() is None:
                time.sleep(0.2)
            if self.process.poll() is not None:
                finish(self.process)
                if self.hog:
                    self.hog.wait()
                return self.counts
            if self._happen(kind):
                self.counts[kind] += 1
                print(f"  {kind}", flush=True)
        raise AssertionError("the faults never end")

    def _submit(self) -> None:
        self.process = submit(self.config, self.output, WILD, self.cluster)

    def _happen(self, kind: str) -> bool:
        if kind == "worker killed":
            return kill_a_worker()
        if kind == "memory taken":
            numbers = [str(GIB // 2), str(HOG_S), str(UNUSED)]
            self.hog = subprocess.Popen([sys.executable, "-m", "benchmarks.hog", *numbers])
        if kind == "node replaced":
            self.cluster.replace_a_node()
        if kind == "raylet killed":
            self.cluster.kill_an_agent()
        if kind == "driver killed":
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self._submit()
        if kind == "disk filled":
            self._fill_the_disk()
        return True

    def _fill_the_disk(self) -> None:
        """Leave no space until the job has ended by it (or was through), and submit it again."""
        self.disk.fill()
        code = self.process.wait(timeout=300)
        self.disk.free()
        said = log_of(self.config).read_text()
        if code and "No space left" not in said.splitlines()[-1]:
            sys.exit(f"a full disk ended the job with {code}:\n{said[-3000:]}")
        self._submit()


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
    """Compare two outputs; differences are named, and end the benchmark with 1."""
    differing = 0
    for stage, domain in STAGES:
        ours, theirs = rows_of(calm, stage, domain), rows_of(wild, stage, domain)
        odd = [key for key in ours.keys() | theirs.keys() if differ(ours.get(key), theirs.get(key))]
        repeated = [key for key, rows in theirs.items() if len(rows) != 1]
        differing += len(odd) + len(repeated)
        tuned = sum(
            getattr(row.record, "weights", None) is not None
            for rows in theirs.values()
            for row in rows
        )
        print(
            f"{stage}: {len(theirs)} inputs, {computed(calm, stage, domain)} computed in peace and "
            f"{computed(wild, stage, domain)} in chaos, {len(repeated)} without exactly one row, "
            f"{len(odd)} rows that differ from the run in peace"
            + (f", {tuned} with weights of their own" if tuned else "")
        )
        for key in odd:
            tell(f"{stage}, shard {key[0]}, in peace", ours.get(key, []))
            tell(f"{stage}, shard {key[0]}, in chaos", theirs.get(key, []))
    aligned = len(rows_of(wild, ALIGN, ""))
    if differing or aligned != records:
        sys.exit(f"{differing} differences; {aligned} of {records} records have a row")
    print("exactly one row per input and stage; outputs bit-identical")


def tell(where: str, rows: list[Row]) -> None:
    """Print rows of one input that is not the same in both outputs."""
    print(f"  {where}: {len(rows)} rows")
    for row in rows:
        record, error = row.record, row.record.error
        values = {
            "name": getattr(record, "uri", record.record_id),
            "status": record.status,
            "error": error and f"{error.type}: {error.message}",
            "duplicate_of": getattr(record, "duplicate_of", None),
            "digest": row_digest(record)[:12],
            "pictures": [fingerprint(picture)[:12] for picture in row.pictures],
        }
        print("   ", *(f"{name}={value}" for name, value in values.items() if value))


def computed(output: str, stage: str, domain: str) -> int:
    """Return how many rows the last attempt at each shard computed itself."""
    table = stage_table(output, stage, domain)
    return sum(commit.computed for commit in table.commits())


def rows_of(output: str, stage: str, domain: str) -> dict[tuple, list[Row]]:
    """Return the rows of a stage by shard and key."""
    table = stage_table(output, stage, domain)
    found: dict[tuple, list[Row]] = {}
    for commit in table.commits():
        for row in table.read_rows(commit):
            found.setdefault((commit.shard, row.key), []).append(row)
    return found


def differ(ours: list[Row] | None, theirs: list[Row] | None) -> bool:
    """Tell whether rows of one input differ in status, kind of error, content, or pictures."""

    def contents(rows: list[Row] | None) -> list[tuple]:
        found = [(row.record, row.record.error, row.pictures) for row in rows or []]
        return [(r.status, e and e.type, row_digest(r), pictures) for r, e, pictures in found]

    return contents(ours) != contents(theirs)


if __name__ == "__main__":
    main()
