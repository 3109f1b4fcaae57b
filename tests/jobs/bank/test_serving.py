"""A registered model behind `mlflow models serve`, as docs/cluster.md shows it."""

import base64
import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from itportrait.jobs.bank.models import BankModels, example_portrait
from itportrait.jobs.ready_made import ready_made_bank
from tests.helpers.local_cluster import free_port

START_S = 180
"""Seconds that the server may take to import torch and to load the embedded models."""


@contextmanager
def served(model, uri, log):
    """Serve a model on the loopback for as long as the block lasts; yield its address."""
    port = str(free_port())
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model]
    command += ["-h", "127.0.0.1", "-p", port, "--env-manager", "local", "--timeout", "300"]
    # MLflow starts uvicorn by its name, as an active environment has it on the path.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = os.environ | {"MLFLOW_TRACKING_URI": uri, "PATH": path}
    with log.open("w") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env=env, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + START_S
        while not answers(f"{address}/ping"):
            assert server.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < end, log.read_text()[-3000:]
            time.sleep(0.5)
        yield address
    finally:
        for way in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(server.pid, way)
                server.wait(20)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def answers(address):
    try:
        with urllib.request.urlopen(address, timeout=10) as reply:
            return reply.status == 200
    except OSError:
        return False


def post(address, content):
    request = urllib.request.Request(
        f"{address}/invocations",
        json.dumps(content).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=300) as reply:
        return json.load(reply)["predictions"]


@pytest.mark.slow
def test_a_server_returns_views_with_their_angles(mlflow_uri, tmp_path):
    assert BankModels(ready_made_bank("mini"), mlflow_uri).sync() == []
    picture = example_portrait()
    with served("models:/bank-clown@champion", mlflow_uri, tmp_path / "log.txt") as address:
        table = {"dataframe_split": {"columns": ["image"], "data": [[picture], ["no picture"]]}}
        params = {"method": "encoder", "yaw_deg": [-25.0, 25.0], "pitch_deg": [8.0, -8.0]}
        good, bad = post(address, table | {"params": params})
        (usual,) = post(
            address,
            {"dataframe_records": [{"image": picture}], "params": {"method": "w_plus", "steps": 1}},
        )
    assert (good["status"], bad["status"], bad["error_type"]) == ("ok", "failed", "decode")
    assert (good["yaw_deg"][1:], good["pitch_deg"][1:]) == ([-25.0, 25.0], [8.0, -8.0])
    assert abs(good["yaw_deg"][0]) < 45
    views = [Image.open(io.BytesIO(base64.b64decode(view))) for view in good["views"]]
    assert [view.size for view in views] == [(128, 128)] * 3
    assert len({view.tobytes() for view in views}) == 3
    assert (bad["views"], bad["yaw_deg"]) == ([], [])
    # Without angles, the views that the base's settings say.
    assert usual["yaw_deg"][1:] == [-25.0, 0.0, 25.0]
