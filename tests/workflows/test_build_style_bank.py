"""The job itself, in processes of its own: command line, lease, and nights on a real Ray."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from itportrait.bank.store import Bank
from itportrait.io.lease import Lease
from tests.helpers.build_job import ROOT, BuildJob
from tests.helpers.terminals import run_watched
from tests.helpers.tiny_folder import write_tiny_bundle

SPEC = """\
base: {base}
defaults: {{source_prompt: a photo of a person, steps: 4}}
adapt:
  pair: {{steps: 2}}
  probe: {{every: 2, count: 2, images: 2}}
  threshold: {{value: auto, auto_steps: 1}}
probe: {{count: 2, kid_count: 4, kid_subset_size: 4, batch_size: 4}}
gate: {{floors: {{}}}}
domains:
  zombie: {{mode: text, prompt: a zombie, truth: "mini:zombie"}}
  bronze:
    mode: image_text
    prompt: a bronze statue
    references: [{root}/configs/references/bronze.png]
  broken: {{mode: image, references: [absent.png]}}
"""


@pytest.fixture
def place(tmp_path):
    """Return a folder with a model bundle and a specification."""
    write_tiny_bundle(tmp_path / "model")
    (tmp_path / "bank.yaml").write_text(SPEC.format(base=tmp_path / "model", root=ROOT))
    return tmp_path


def run(place: Path, *options: str) -> subprocess.CompletedProcess:
    given = ("--config", str(place / "bank.yaml"), "--bank", str(place / "bank"))
    command = [sys.executable, str(ROOT / "workflows" / "build_style_bank.py"), *given, *options]
    env = {"ITPORTRAIT_RUNS": str(place / "runs"), "PYTHONPATH": str(ROOT)}
    return run_watched(command, env=env, cwd=place)


@pytest.mark.slow
def test_wrong_specification_and_date_end_with_2_before_anything_starts(place):
    (place / "bank.yaml").write_text("domains:\n  zombie: {mode: text}\n  clay: {mod: text}\n")
    done = run(place)
    assert done.returncode == 2
    assert "line 2" in done.stderr
    assert "line 3: domain 'clay': unknown key 'mod'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (place / "bank").exists()


def test_a_name_that_is_no_domain_is_refused_before_a_bank_is_begun(tmp_path, capsys):
    from workflows.build_style_bank import main

    arguments = ["--spec", f"{ROOT}/configs/bank.yaml", "--bank", f"{tmp_path}/bank"]
    assert main([*arguments, "--domains", "zombie,vampire", "--mlflow", "none"]) == 2
    assert "unknown domain 'vampire'; known: alien, bronze" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_second_build_leaves_with_75_while_the_bank_is_held(place):
    with Lease(str(place / "bank"), what="another build"):
        done = run(place, "--mlflow", "none")
    assert done.returncode == 75
    assert "is in use by another build" in done.stderr


@pytest.mark.slow
def test_nights_on_ray(place):
    first = run(place, "--date", "2026-01-01")
    assert first.returncode == 1, first.stdout + first.stderr
    assert "absent.png" in first.stdout
    bank = Bank(str(place / "bank"))
    assert bank.domains() == ["bronze", "zombie"]
    assert "kid_ratio" in bank.champion("zombie").metrics
    assert not list((place / "bank" / "_training").iterdir())

    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{place}/runs/mlflow.db")
    experiment = client.get_experiment_by_name("style-bank")
    runs = client.search_runs([experiment.experiment_id])
    parents = [item for item in runs if "mlflow.parentRunId" not in item.data.tags]
    children = {item.data.tags["domain"]: item for item in runs if item not in parents}
    assert len(parents) == 1
    assert parents[0].info.status == "FAILED"  # a domain could not be built
    assert parents[0].data.tags["failed"] == "broken"
    assert set(children) == {"bronze", "zombie"}
    for child in children.values():
        assert child.data.tags["mlflow.parentRunId"] == parents[0].info.run_id
        assert child.data.tags["gate"] == "champion"
        assert child.info.status == "FINISHED"
        identity = client.get_metric_history(child.info.run_id, "identity")
        assert [point.step for point in identity] == [0, 2, 4]
        assert identity[0].value == pytest.approx(1, abs=1e-4)  # the unadapted generator
        finals = client.get_metric_history(child.info.run_id, "final/identity")
        assert [point.step for point in finals] == [0]

    index = (place / "bank" / "bank.json").read_bytes()
    second = run(place, "--date", "2026-01-02", "--domains", "bronze,zombie")
    assert second.returncode == 0, second.stdout + second.stderr
    assert second.stdout.count("unchanged") >= 2
    assert (place / "bank" / "bank.json").read_bytes() == index
    builds = sorted((place / "bank" / "_builds").iterdir())
    assert [json.loads(item.read_text())["date"] for item in builds] == ["2026-01-01", "2026-01-02"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_build_survives_its_workers_and_its_driver(place):
    text = (place / "bank.yaml").read_text().replace("steps: 4}", "steps: 60}", 1)
    (place / "bank.yaml").write_text(text)
    bank, training = Bank(str(place / "bank")), place / "bank" / "_training"
    first = BuildJob(place, "--date", "2026-01-01", "--set", "train.max_concurrent=1")
    first.wait_for(lambda: list(training.glob("*/checkpoint*")) and first.trainers())
    first.trainers()[0].kill()
    first.wait_for(bank.domains)
    published = {name: bank.champion(name) for name in bank.domains()}
    first.kill()

    again = run(place, "--date", "2026-01-01", "--set", "train.max_concurrent=1")
    assert again.returncode == 1, again.stdout + again.stderr  # the unreadable reference
    assert "absent.png" in again.stdout
    assert bank.domains() == ["bronze", "zombie"]
    for name, version in published.items():
        assert bank.champion(name) == version
        assert f"{name}: unchanged" in again.stdout
    assert [len(bank.versions(name)) for name in bank.domains()] == [1, 1]
    assert not list(training.iterdir())

    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{place}/runs/mlflow.db")
    experiment = client.get_experiment_by_name("style-bank")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.domain != ''")
    assert sorted(item.data.tags["domain"] for item in runs) == ["bronze", "zombie"]
    for item in runs:
        steps = [p.step for p in client.get_metric_history(item.info.run_id, "identity")]
        assert steps == sorted(set(steps))
        assert (steps[0], steps[-1] <= 60) == (0, True)
