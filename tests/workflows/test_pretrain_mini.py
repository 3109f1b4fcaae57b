"""The embedded family by the real command, far too small: everything is there, and goes on."""

import json
import shutil
import sys
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from itportrait.bundle import load_bundle
from itportrait.card.report import BARS
from itportrait.pretrain.run import CLIPS, LICENSE
from tests.conftest import REPOSITORY
from tests.helpers.terminals import run_watched

SIZES = {"people": 30, "styled-people": 4, "held-out-people": 4}


def pretrain(folder: Path, *more: str, budget: float = 0.25) -> str:
    command = [sys.executable, str(REPOSITORY / "workflows" / "pretrain_mini.py")]
    command += [f"--{name}={count}" for name, count in SIZES.items()]
    command += [f"--data={folder / 'data'}", f"--runs={folder / 'runs'}"]
    command += [f"--weights={folder / 'weights'}", f"--budget-minutes={budget}", *more]
    done = run_watched(command)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def digests(weights: Path) -> dict[str, str]:
    files = [*weights.rglob("*.safetensors"), *weights.rglob("*.pt")]
    return {str(f.relative_to(weights)): sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("pretrain")
    return folder, pretrain(folder)


@pytest.mark.slow
def test_everything_is_made_from_nothing_and_measured(made):
    folder, table = made
    bundle = load_bundle(folder / "weights")
    bundle.verify()
    assert [item.path for item in bundle.spec.perception.clips] == list(CLIPS)
    assert len(bundle.clips) == len(CLIPS)
    assert bundle.clip_weights == list(CLIPS.values())
    assert bundle.encoder is not None
    assert bundle.identity is not None
    assert float(bundle.generator.w_avg.abs().sum()) > 0
    figures = json.loads((folder / "runs" / "report.json").read_text())["figures"]
    # of attributes only where somebody among so few people has them
    asked = {name for name in BARS if not name.startswith(("clip_", "inversion_keeps_"))}
    assert asked | {"clip_domain_top1", "clip_direction"} <= figures.keys()
    card = (folder / "weights" / "card.md").read_text()
    for name in figures:
        assert f"| {name} |" in table
        assert f"| {name} |" in card
    assert LICENSE in card


@pytest.mark.slow
def test_a_spent_budget_trains_no_further(made):
    folder, _ = made
    before = digests(folder / "weights")
    drawn = {f: f.stat().st_mtime_ns for f in (folder / "data").rglob("*.safetensors")}
    pretrain(folder)
    assert digests(folder / "weights") == before
    assert {f: f.stat().st_mtime_ns for f in drawn} == drawn


@pytest.mark.slow
def test_a_generator_goes_on_from_a_bundle(made, tmp_path):
    folder, _ = made
    start = load_bundle(folder / "weights").generator
    shutil.copytree(folder / "weights", tmp_path / "weights")
    (tmp_path / "data").symlink_to(folder / "data")
    pretrain(tmp_path, "--only=generator", f"--start={folder / 'weights'}", budget=1e-6)
    after = load_bundle(tmp_path / "weights").generator
    z, camera = torch.randn(2, 64), torch.zeros(1, 25)
    near = (after.mapping(z, camera) - start.mapping(z, camera)).abs().mean()
    assert 0 < near < 0.1 * start.mapping(z, camera).std()
