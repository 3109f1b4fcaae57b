"""The local stack comes up without Docker, guards its jobs API, and goes down without a trace."""

import os
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def free_ports(count: int, low: int, high: int) -> list[int]:
    """Return free ports of a range; Ray's head must stay out of 10002-19999."""
    found = []
    for port in range(low, high):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
        if len(found) == count:
            return found
    pytest.skip(f"no {count} free ports in {low}-{high}")


def test_stack_comes_up_asks_for_the_token_and_goes_down(tmp_path):
    ray_port, dashboard, mlflow, store = free_ports(4, 6401, 6800)
    env = os.environ | {
        "ITPORTRAIT_RUNS": str(tmp_path),
        "ITPORTRAIT_RAY_PORT": str(ray_port),
        "ITPORTRAIT_DASHBOARD_PORT": str(dashboard),
        "ITPORTRAIT_MLFLOW_PORT": str(mlflow),
        "ITPORTRAIT_STORE_PORT": str(store),
    }
    up, down = ROOT / "cluster/local/up.sh", ROOT / "cluster/local/down.sh"
    # Files and not pipes: what stays up would hold a pipe open.
    log = tmp_path / "up.log"
    try:
        with log.open("w") as file:
            command = [str(up), "--workers", "1", "--cpus", "1"]
            done = subprocess.run(
                command, env=env, stdout=file, stderr=file, check=False, timeout=420
            )
        assert done.returncode == 0, log.read_text()
        pids = [int(line.split()[0]) for line in (tmp_path / "stack/pids").read_text().splitlines()]
        assert len(pids) == 4  # store, MLflow, head, worker
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{dashboard}/api/jobs/", timeout=30)
        assert refused.value.code == 401
        token = (tmp_path / "stack/ray_token").read_text().strip()
        request = urllib.request.Request(
            f"http://127.0.0.1:{dashboard}/api/jobs/", headers={"Authorization": f"Bearer {token}"}
        )
        assert urllib.request.urlopen(request, timeout=30).status == 200
        assert (tmp_path / "stack/ray_token").stat().st_mode & 0o077 == 0
        assert (tmp_path / "stack/env.sh").stat().st_mode & 0o077 == 0
        again = subprocess.run([str(up)], env=env, capture_output=True, text=True, check=False)
        assert again.returncode == 1
        assert "down.sh" in again.stderr
    finally:
        subprocess.run([str(down)], env=env, check=True, timeout=120)
    assert all(not Path(f"/proc/{pid}").exists() for pid in pids)
    assert not (tmp_path / "stack/pids").exists()
