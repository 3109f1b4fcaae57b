"""The production recipe from import to gallery, as docs/published-weights.md shows it.

The files have the layouts and sizes of the published ones, and random numbers in them. The page's
seconds and memory were printed by `pytest -s` on two cores that had other work too. It runs alone:
beside it, tests that expect a server's answer within seconds failed on two cores.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
import torch

from tests.conftest import REPOSITORY
from tests.helpers.true_sizes import keep_face_network, write_generator, write_open_clip, write_vgg

PAGE = REPOSITORY / "docs" / "published-weights.md"
MOST_GB = 24


def commands_of(heading):
    """Return the commands of a section's shell blocks."""
    section = PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    assert lines, heading
    return lines


class Memory(threading.Thread):
    """The largest memory of the processes below this one, each page of theirs counted once."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak_gb, self._ended = 0.0, threading.Event()

    def run(self):
        while not self._ended.wait(3):
            total = 0
            for process in psutil.Process().children(recursive=True):
                try:
                    total += process.memory_full_info().pss
                except (psutil.Error, OSError):  # it has ended meanwhile
                    continue
            self.peak_gb = max(self.peak_gb, total / 1e9)

    def stop(self):
        self._ended.set()
        self.join()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a user's files, where `itportrait` is the command; removed at the end."""
    monkeypatch.chdir(tmp_path)
    (command := tmp_path / "bin" / "itportrait").parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m itportrait "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    for name in ("ITPORTRAIT_CACHE", "TORCH_HOME", "ITPORTRAIT_RUNS"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    torch.manual_seed(0)
    write_generator(Path("ffhq512-128.pkl"))
    for patch in (32, 16):
        write_open_clip(Path(f"vit-b-{patch}.safetensors"), f"ViT-B-{patch}")
    write_vgg(tmp_path / "torch_home/hub/checkpoints/vgg16-397923af.pth")
    keep_face_network()
    yield tmp_path
    shutil.rmtree(tmp_path)  # gigabytes


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(2400)
def test_the_page_of_published_weights_does_what_it_says(folder, capsys):
    spent = []
    for command in [*commands_of("From files to a bundle"), *commands_of("Try it small")]:
        memory, begun = Memory(), time.monotonic()
        memory.start()
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
        memory.stop()
        assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-3000:])
        spent.append((time.monotonic() - begun, memory.peak_gb, " ".join(command.split())[:60]))
        assert memory.peak_gb < MOST_GB, command
    assert (folder / "runs/trial/out/gallery/index.html").stat().st_size > 10_000
    rows = pq.read_table("runs/trial/out/stylized/records").to_pylist()
    assert [(row["domain"], row["status"]) for row in rows] == [("zombie", "ok")] * 2
    pixels = pq.read_table("runs/trial/out/stylized/pixels").to_pylist()
    assert len(pixels) == 2 * 2  # the portrait's own view, and the one that is asked for

    (golden,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", golden], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line.split(" ", 1)[0] for line in done.stdout.splitlines()]
    assert lines == ["ws", "image", "depth", "faces", "ViT-B-32", "ViT-B-16"]
    with capsys.disabled():
        print()
        for seconds, peak_gb, command in spent:
            print(f"{seconds:6.1f} s {peak_gb:5.1f} GB  {command}")
        print(f"{sum(each[0] for each in spent):6.1f} s in all")
