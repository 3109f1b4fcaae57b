"""What a training is given, and how its versions are found again across releases."""

import dataclasses
import logging
from pathlib import Path

import pytest

import itportrait.adapt
import itportrait.align
from itportrait.adapt import AdaptConfig, DomainSpec
from itportrait.align.config import AlignConfig
from itportrait.bank.store import Bank, BankVersion
from itportrait.errors import NoInputError
from itportrait.jobs.bank.plan import Outcome, plan_build
from itportrait.jobs.bank.spec import load_bank_spec, parse_bank_spec
from itportrait.jobs.ready_made import ready_made_bank
from itportrait.training.domain_job import DomainJob, domain_note
from itportrait.training.interrupted import STATE, reason_to_start_anew
from itportrait.training.trained_domain import RESULT

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
WORDS = {"name": "bronze", "mode": "text", "prompt": "a bronze statue"}
SPEC = """
base: models  # without settings of its own
adapt: {apt: {batch: 3}}
domains:
  bronze: {mode: text, prompt: a bronze statue}
"""


def job(spec: dict | None = None, adapt: dict | None = None) -> DomainJob:
    return DomainJob.of(
        DomainSpec.parse(spec or WORDS),
        bundle="mini",
        adapt=AdaptConfig.parse(adapt or {}),
        align=AlignConfig(),
        model_id="model",
    )


def bank_spec():
    """Return the specification, on the embedded models without their own settings."""
    return parse_bank_spec(SPEC).model_copy(update={"base": "mini"})


def published(tmp_path, fingerprint: str) -> Bank:
    bank = Bank(str(tmp_path / "bank"))
    version = BankVersion(domain="bronze", version="v1", fingerprint=fingerprint)
    bank.publish(version, {"adapter.safetensors": b"1"})
    return bank


def test_the_domain_that_comes_with_the_models_is_what_its_configuration_makes():
    spec = load_bank_spec(CONFIGS / "bank.yaml")
    shipped = ready_made_bank("mini").champion("clown")
    made = DomainJob.of(
        spec.domains["clown"].spec(),
        bundle=spec.base,
        adapt=spec.adapt,
        align=spec.align,
        model_id=shipped.base_model_id,
    )
    assert made.fingerprint == shipped.fingerprint


def test_a_version_that_the_first_release_made_is_found_by_its_former_fingerprint(tmp_path):
    wanted = job(adapt={"apt": {"batch": 3}})
    assert wanted.former
    assert wanted.former != wanted.fingerprint
    found = wanted.find_in(published(tmp_path, wanted.former))
    assert found is not None
    assert found.version == "v1"


def test_a_domain_whose_fingerprint_is_the_same_in_both_has_no_former_one():
    assert job().former == ""


def test_a_build_leaves_a_domain_of_the_first_release_as_it_is(tmp_path):
    wanted = job(adapt={"apt": {"batch": 3}})
    bank = published(tmp_path, wanted.former)
    plan = plan_build(bank_spec(), bank, model_id="model", date="2026-01-01")
    assert plan.jobs == ()
    assert [result.outcome for result in plan.settled] == [Outcome.UNCHANGED]


def test_a_text_domain_stands_when_settings_of_pictures_change(tmp_path):
    bank = published(tmp_path, job().fingerprint)
    plan = plan_build(bank_spec(), bank, model_id="model", date="2026-01-01")
    assert [result.outcome for result in plan.settled] == [Outcome.UNCHANGED]


def test_a_change_of_adaptation_makes_every_domain_again(tmp_path, monkeypatch):
    bank = published(tmp_path, job().fingerprint)
    monkeypatch.setattr(itportrait.adapt.version, "VERSION", 2)
    plan = plan_build(bank_spec(), bank, model_id="model", date="2026-01-01")
    assert [planned.spec.name for planned in plan.jobs] == ["bronze"]


def test_a_change_of_alignment_makes_domains_with_references_again(tmp_path, monkeypatch):
    picture = tmp_path / "a.png"
    picture.write_bytes(b"picture")
    image = {"name": "bronze", "mode": "image", "references": [str(picture)]}
    before = job(image).fingerprint, job().fingerprint
    monkeypatch.setattr(itportrait.align, "VERSION", 2)
    assert job(image).fingerprint != before[0]
    assert job().fingerprint == before[1]


def test_a_reference_that_cannot_be_read_is_named():
    with pytest.raises(NoInputError, match=r"/absent\.png of domain 'bronze'"):
        job({"name": "bronze", "mode": "image", "references": ["/absent.png"]})


def test_the_note_of_a_run_shows_no_credentials_of_references():
    uri = "https://user:secret@host/faces/mask%20a.jpg?X-Amz-Signature=abc/def&X-Amz-Date=1"
    note = domain_note({"name": "bronze", "references": [uri, "s3://bucket/b?.png", "/c/d.png"]})
    assert "by the pictures mask%20a.jpg, b?.png, d.png, adapted" in note


def checkpoint(storage: Path, run: str, *files: str) -> None:
    folder = storage / run / "checkpoint-000020-0123abcd"
    folder.mkdir(parents=True)
    for name in files:
        (folder / name).write_bytes(b"1")


@pytest.mark.parametrize("file", [STATE, RESULT])
def test_an_interrupted_training_of_this_release_goes_on(tmp_path, file):
    checkpoint(tmp_path, job().run_name, file)
    assert reason_to_start_anew(job(), str(tmp_path)) == ""


def test_a_first_training_says_nothing(tmp_path):
    assert reason_to_start_anew(job(), str(tmp_path / "none")) == ""
    checkpoint(tmp_path, "bronze-age-0123456789abcdef", STATE)  # of another domain
    assert reason_to_start_anew(job(), str(tmp_path)) == ""


def test_a_training_that_the_first_release_began_starts_anew_in_one_line(tmp_path):
    checkpoint(tmp_path, job().run_name, "state.pt")
    line = reason_to_start_anew(job(), str(tmp_path))
    assert line == "domain bronze: another release began its training, which starts anew"


def test_a_training_from_before_a_change_of_the_stage_starts_anew_in_one_line(
    tmp_path, monkeypatch
):
    before = job().run_name
    checkpoint(tmp_path, before, STATE)
    monkeypatch.setattr(itportrait.adapt.version, "VERSION", 2)
    line = reason_to_start_anew(job(), str(tmp_path))
    assert before in line
    assert line.endswith("the training starts anew")
    assert "\n" not in line


@pytest.mark.slow
def test_a_training_with_a_checkpoint_of_the_first_release_runs_to_its_end(
    ray_cluster, tmp_path, caplog
):
    from itportrait.on_ray.trainers import train_domain
    from itportrait.training.domain_job import TrainConfig
    from tests.helpers.tiny_folder import write_tiny_bundle

    write_tiny_bundle(tmp_path / "bundle")
    spec = {**WORDS, "prompt": "bronze", "steps": 2}
    small = {"probe": {"count": 2, "every": 1}, "ite": {"batch": 1, "views": {"yaw_b": []}}}
    wanted = dataclasses.replace(job(spec, small), bundle=str(tmp_path / "bundle"))
    storage = tmp_path / "training"
    checkpoint(storage, wanted.run_name, "state.pt")
    caplog.set_level(logging.WARNING)
    trained = train_domain(wanted, TrainConfig(cpus_per_worker=1), storage=str(storage))
    assert "another release began its training" in caplog.text
    assert trained.info["step"] > 0
