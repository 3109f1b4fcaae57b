"""A night with everything going wrong: one bank, two builds, and what must stand in the morning.

    python -m benchmarks.bm_bank_faults

Builds `configs/bank.yaml` with one reference taken away. A second build starts at the same time and
waits for the first. Then: one training worker is killed with -9; the MLflow server is down from a
third of the publications to two thirds; the driver is killed with -9 and submitted again; and
`bank.json` is read without pause all the while. Prints what was found, and ends with 1 if a domain
is missing, made twice or has two champions, a curve has gaps or repeats, or a read was torn.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("RAY_AUTH_MODE", "disabled")

import yaml

from itportrait.bank.store import Bank
from itportrait.tracking import FINAL_ON_BANK_PROBE
from tests.helpers.build_job import BuildJob, mini_bank_spec

BAD = "pencil"
DATE = "2026-01-01"
LIMIT_S = 3600.0


def main() -> None:
    """Run the benchmark of the command line."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    ).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        night = Night(Path(folder))
        try:
            night.run()
            problems = night.examine()
        finally:
            night.end()
    sys.exit("\n".join(problems) if problems else 0)


class Night:
    """The builds, the server and the reader, and what was done to them."""

    def __init__(self, place: Path) -> None:
        self.place, self.bank = place, Bank(str(place / "bank"))
        self.good, self.every = write_spec(place / "bank.yaml")
        self.server = Server(place / "mlflow")
        self.reader = Reader(place / "bank" / "bank.json")
        self.builds: list[BuildJob] = []
        self.began = time.monotonic()

    def run(self) -> None:
        """Start two builds, do the damage, and wait for both to end."""
        self.server.start()
        self.reader.start()
        first = self.start()
        first.wait_for((self.place / "bank" / "_lease").exists)
        second = self.start("--if-busy", "wait")

        training = self.place / "bank" / "_training"
        first.wait_for(lambda: any(training.glob("*/checkpoint*")) and first.trainers(), LIMIT_S)
        first.trainers()[0].kill()
        self.say("a training worker is killed")

        self.wait_for_published(first, len(self.good) // 3)
        self.server.stop()
        self.say(f"MLflow is down, published: {self.bank.domains()}")
        first.kill()
        third = self.start("--if-busy", "wait")
        self.say("the driver is killed, and submitted again")
        self.wait_for_published(second, len(self.good) - len(self.good) // 3)
        self.server.start()
        self.say(f"MLflow is back, published: {self.bank.domains()}")
        self.done = [build.finish(LIMIT_S) for build in (second, third)]
        for name, done in zip(("second", "submitted again"), self.done, strict=True):
            self.say(f"the build {name} ends with {done.returncode}")
            print(done.stdout)
        self.reader.stop()

    def start(self, *options: str) -> BuildJob:
        """Start one build of the night."""
        build = BuildJob(self.place, "--date", DATE, "--mlflow", self.server.uri, *options)
        self.builds.append(build)
        return build

    def wait_for_published(self, build: BuildJob, count: int) -> None:
        """Wait until so many domains stand in the bank."""
        build.wait_for(lambda: len(self.bank.domains()) >= count, LIMIT_S)

    def examine(self) -> list[str]:
        """Return what is wrong in the morning."""
        problems = []
        index = self.bank.index()["domains"]
        if sorted(index) != sorted(self.good):
            problems.append(f"published: {sorted(index)}, wanted: {sorted(self.good)}")
        for name in index:
            if len(self.bank.versions(name)) != 1 or not index[name]["champion"]:
                problems.append(f"{name}: {self.bank.versions(name)}, not one champion")
        for done in self.done:
            if done.returncode != 1 or f"{BAD}: reference" not in done.stdout:
                problems.append(f"a build ended with {done.returncode}, {BAD} unnamed")
        problems += self.examine_runs()
        reads, torn = self.reader.counts
        print(f"{reads} reads of bank.json during the night, {torn} torn")
        if torn or reads < 1000:
            problems.append(f"{torn} of {reads} reads were torn")
        return problems

    def examine_runs(self) -> list[str]:
        """Return what is missing or repeated in the tracked runs."""
        from mlflow import MlflowClient

        client, problems = MlflowClient(self.server.uri), []
        experiment = client.get_experiment_by_name("style-bank")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
        if len(parents) != 1:
            problems.append(f"{len(parents)} parent runs")
        children = [run for run in runs if run not in parents]
        found = sorted(run.data.tags["domain"] for run in children)
        if found != sorted(self.good):
            problems.append(f"runs of domains: {found}")
        for run in children:
            name, steps = run.data.tags["domain"], {}
            finals = ("final/identity", f"{FINAL_ON_BANK_PROBE}/identity")
            for metric in ("identity", "depth_distance", *finals):
                points = client.get_metric_history(run.info.run_id, metric)
                steps[metric] = [point.step for point in points]
            images = [file.path for file in client.list_artifacts(run.info.run_id, "images")]
            print(f"{name}: {steps}, {len(images)} images, {run.info.status}")
            curve = list(range(0, steps["identity"][-1] + 1, self.every))
            whole = steps["identity"] == steps["depth_distance"] == curve
            single = all(steps[name] == [0] for name in finals)
            if not (whole and single and images and run.info.status == "FINISHED"):
                problems.append(f"{name}: points are missing or repeated")
        return problems

    def end(self) -> None:
        """End whatever still runs."""
        self.reader.stop()
        for build in self.builds:
            build.kill()
        self.server.stop()

    def say(self, text: str) -> None:
        """Print what happened, and when."""
        print(f"{time.monotonic() - self.began:5.0f} s: {text}", flush=True)


def write_spec(target: Path) -> tuple[list[str], int]:
    """Write the bank's specification with one reference taken away.

    Returns:
        Names of the other domains, and the steps between two points of a curve.
    """
    spec = mini_bank_spec()
    spec["domains"][BAD]["references"] = ["absent.png"]
    target.write_text(yaml.safe_dump(spec, sort_keys=False))
    good = [name for name in spec["domains"] if name != BAD]
    return good, spec["adapt"]["probe"]["every"]


class Server:
    """A real `mlflow server` that goes away and comes back with its data."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.process = folder, None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.folder.mkdir(exist_ok=True)
        command = [str(Path(sys.executable).parent / "mlflow"), "server", "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.5)
        raise TimeoutError(f"no server: {(self.folder / 'server.log').read_text()[-2000:]}")

    def stop(self) -> None:
        """End it without notice."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Reader(threading.Thread):
    """Reads the index without pause, and counts the reads that are no whole index."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path, self.counts, self._stopped = path, (0, 0), threading.Event()

    def run(self) -> None:
        """Read until told to stop."""
        while not self._stopped.wait(0.02):
            reads, torn = self.counts
            try:
                whole = "domains" in json.loads(self.path.read_text())
            except FileNotFoundError:
                continue
            except ValueError:
                whole = False
            self.counts = reads + 1, torn + (not whole)

    def stop(self) -> None:
        """End the reading."""
        self._stopped.set()
        if self.is_alive():
            self.join()


if __name__ == "__main__":
    main()
