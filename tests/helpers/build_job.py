"""Workflows as processes of their own, to be watched, killed and started again."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import yaml

ROOT = Path(__file__).parents[2]


def mini_bank_spec() -> dict[str, Any]:
    """Return `configs/bank.yaml` as plain data that may be written elsewhere."""
    folder = ROOT / "configs"
    spec = yaml.safe_load((folder / "bank.yaml").read_text())
    for domain in spec["domains"].values():
        if "references" in domain:
            domain["references"] = [str(folder / name) for name in domain["references"]]
    return spec


class WorkflowJob:
    """A workflow from its start on.

    Args:
        place: holds its runs and what it prints; its working folder.
        script: name of the workflow's file.
        options: of its command line.
    """

    def __init__(self, place: Path, script: str, *options: str) -> None:
        command = [sys.executable, str(ROOT / "workflows" / script), *options]
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        env = os.environ | {
            "ITPORTRAIT_RUNS": str(place / "runs"),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        }
        env.pop("RAY_ADDRESS", None)
        # Files and no pipes: nobody reads along, and a full pipe would stop the job.
        printed = Path(tempfile.mkdtemp(prefix="printed-", dir=place))
        self._out, self._err = printed / "stdout", printed / "stderr"
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                command, env=env, cwd=place, stdout=out, stderr=err, start_new_session=True
            )

    def wait_for(self, condition: Callable[[], object], timeout_s: float = 300) -> None:
        """Wait until something is the case while the job runs."""
        deadline = time.monotonic() + timeout_s
        while not condition() and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert condition(), f"it did not come about in time: {self._err.read_text()[-3000:]}"

    def trainers(self) -> list[psutil.Process]:
        """Return its Ray Train workers."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        return [item for item in found if "TrainWorker" in " ".join(item.cmdline()[:1])]

    def kill(self) -> None:
        """End the driver and its Ray at once, as a lost machine does."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def finish(self, timeout_s: float = 540) -> subprocess.CompletedProcess:
        """Wait for the end and return what it printed."""
        code = self.process.wait(timeout_s)
        out, err = self._out.read_text(), self._err.read_text()
        return subprocess.CompletedProcess(self.process.args, code, out, err)


class BuildJob(WorkflowJob):
    """`workflows/build_style_bank.py` on `place/bank.yaml` and `place/bank`, from its start on.

    Args:
        place: holds specification, bank, runs and what the job prints.
        options: of its command line.
    """

    def __init__(self, place: Path, *options: str) -> None:
        given = ("--config", str(place / "bank.yaml"), "--bank", str(place / "bank"))
        super().__init__(place, "build_style_bank.py", *given, *options)
