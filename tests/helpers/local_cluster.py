"""A Ray of several nodes on this machine, each a process of its own as on a real cluster."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil
from ray.util.state import list_nodes

_STORE_BYTES = 80 * 1024 * 1024
_START_S = 120


class LocalCluster:
    """A head without cores and nodes with some, for the time of the block.

    Nothing of the checkout is on the nodes' path: what a job needs has to come with it.

    Args:
        nodes: how many, besides the head.
        cpus: of each of them.
    """

    def __init__(self, nodes: int, cpus: int) -> None:
        self.nodes, self.cpus = nodes, cpus
        self._processes: list[subprocess.Popen] = []

    def __enter__(self) -> "LocalCluster":
        # Unix sockets admit 107 characters: not under the folders of pytest.
        self._folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
        try:
            self._start_all()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            with contextlib.suppress(psutil.NoSuchProcess):
                below = psutil.Process(process.pid).children(recursive=True)
                process.terminate()
                ours = [psutil.Process(process.pid), *below]
                for survivor in psutil.wait_procs(ours, timeout=5)[1]:
                    survivor.kill()
            process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def environment(self) -> dict[str, str]:
        """Return the environment of the nodes, and of whoever submits jobs."""
        env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "RAY_ADDRESS")}
        env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
        return env | {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}

    def job_log(self, submission: str) -> str:
        """Return what a submitted job printed; of nodes with one address the jobs API asks one."""
        found = self._folder.glob(f"*/session_latest/logs/job-driver-{submission}.log")
        return "".join(path.read_text() for path in found)

    def _start_all(self) -> None:
        port, dashboard = free_port(), free_port()
        self.address, self.jobs = f"127.0.0.1:{port}", f"http://127.0.0.1:{dashboard}"
        self._start(
            "head",
            *("--head", f"--port={port}", "--num-cpus=0", f"--dashboard-port={dashboard}"),
            *("--dashboard-host=127.0.0.1", f"--ray-client-server-port={free_port()}"),
        )
        self._wait_for(f"{self.jobs}/api/jobs/")
        # One after the other: nodes of one machine that start together get into each other's way.
        for number in range(self.nodes):
            self._start(f"node-{number}", f"--address={self.address}", f"--num-cpus={self.cpus}")
            deadline = time.monotonic() + _START_S
            while len(list_nodes(address=self.jobs)) < number + 2:
                self._check(deadline)
                time.sleep(0.2)

    def _start(self, name: str, *options: str) -> None:
        command = [str(Path(sys.executable).parent / "ray"), "start", "--block", *options]
        # A folder for each: in a shared one, a node that unpacks a job's code takes the working
        # folder from under a driver that another node has started there.
        command += ["--node-ip-address=127.0.0.1", f"--temp-dir={self._folder / name}"]
        command += ["--min-worker-port=0", "--max-worker-port=0", "--disable-usage-stats"]
        command += [f"--object-store-memory={_STORE_BYTES}"]
        command += [f"--dashboard-agent-listen-port={free_port()}"]
        (self._folder / name).mkdir()
        with (self._folder / f"{name}.log").open("w") as log:
            process = subprocess.Popen(
                command,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)

    def _wait_for(self, url: str) -> None:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                with urllib.request.urlopen(url, timeout=5):
                    return
            except OSError:
                self._check(deadline)
                time.sleep(0.2)

    def _check(self, deadline: float) -> None:
        ended = [process.args for process in self._processes if process.poll() is not None]
        if ended or time.monotonic() > deadline:
            logs = "\n".join(path.read_text()[-2000:] for path in self._folder.glob("*.log"))
            raise RuntimeError(f"the cluster did not start; ended: {ended}\n{logs}")


def free_port() -> int:
    """Return a port that nobody listens on, outside of those that Ray gives to its workers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return port if not 10_002 <= port <= 19_999 else free_port()
