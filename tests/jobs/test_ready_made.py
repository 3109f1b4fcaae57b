"""Domains that come with a bundle: found by name, copied into the user's bank, tracked."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from itportrait.bank.store import Bank
from itportrait.bundle import load_bundle
from itportrait.bundle.places import bundle_folder
from itportrait.errors import InvalidArgumentError, NoInputError, OutputError, UnknownNameError
from itportrait.io import uris
from itportrait.jobs.ready_made import (
    find_champion,
    is_ready_made,
    ready_made_bank,
    ready_made_domains,
    record_version,
    split_by_base,
)
from itportrait.styles import WeightStyle
from itportrait.training.domain_job import TrackingTarget


@pytest.fixture(scope="module")
def shipped():
    """The champion of the demo's ready-made domain, in the package."""
    return ready_made_bank("mini").champion("clown")


def test_shipped_domain_belongs_to_the_shipped_models(shipped):
    bundle = load_bundle("mini")
    assert shipped.base_model_id == bundle.model_id
    adapter = WeightStyle.from_bytes(uris.read_bytes(uris.join(shipped.uri, "adapter.safetensors")))
    styled = adapter.apply(bundle.generator, model_id=bundle.model_id)
    change = styled.state_dict()["backbone.synthesis.b32.conv0.weight"]
    assert not change.equal(bundle.generator.state_dict()["backbone.synthesis.b32.conv0.weight"])
    assert len(shipped.reference_pictures()) == len(shipped.references) == 1
    # No path of the machine that made it.
    assert shipped.spec["references"] == adapter.info["spec"]["references"] == ["clown.png"]


def test_the_users_bank_comes_first_and_both_are_named_in_an_error(tmp_path, shipped):
    bank = Bank(str(tmp_path / "bank"))
    assert find_champion("clown", bank, "mini") == shipped
    assert is_ready_made(shipped, "mini")
    own = bank.adopt(shipped)
    assert find_champion("clown", bank, "mini") == own
    assert not is_ready_made(own, "mini")
    with pytest.raises(UnknownNameError, match=r"unknown domain 'clwn'.*clown"):
        find_champion("clwn", bank, "mini")


def test_a_candidate_of_the_users_bank_does_not_hide_what_comes_ready_made(tmp_path, shipped):
    bank = Bank(str(tmp_path / "bank"))
    own = bank.adopt(shipped)
    bank.publish(replace(own, domain="bronze"), {}, promote=False)
    other = Bank(str(tmp_path / "other"))
    other.publish(own, {}, promote=False)
    assert find_champion("clown", other, "mini") == shipped
    with pytest.raises(InvalidArgumentError, match=r"'bronze'.*candidates alone"):
        find_champion("bronze", bank, "mini")


def test_a_bank_that_is_not_there_is_said_before_its_domains(tmp_path):
    bank = Bank(str(tmp_path / "bnak"))
    assert find_champion("clown", bank, "mini").domain == "clown"  # comes with the models
    with pytest.raises(NoInputError, match=r"no bank at \S*/bnak: bank.json is missing"):
        find_champion("bronze", bank, "mini")
    assert not (tmp_path / "bnak").exists()


def test_what_came_with_other_models_is_not_offered_and_says_so(tmp_path, shipped):
    """As after `itportrait models use` in the bundle's own folder: another model.json."""
    folder = tmp_path / "bundle"
    shutil.copytree(ready_made_bank("mini").uri, folder / "bank")
    content = json.loads(Path(bundle_folder("mini"), "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(content))
    bank = Bank(str(tmp_path / "bank"))
    assert ready_made_domains("mini") == ready_made_domains(str(folder)) == ["clown"]
    assert find_champion("clown", bank, str(folder)).version == shipped.version
    (folder / "model.json").write_text(json.dumps({**content, "name": "other"}))
    assert ready_made_domains(str(folder)) == []
    with pytest.raises(InvalidArgumentError, match=r"'clown', which came .* models, other-.*anew"):
        find_champion("clown", bank, str(folder))
    bank.publish(replace(shipped, domain="own", base_model_id="other-1"), {})
    with pytest.raises(UnknownNameError, match=r"unknown domain 'clwn'; known: own"):
        find_champion("clwn", bank, str(folder))
    bank.adopt(shipped)
    own, others = split_by_base(bank, "other-1")
    assert (own, others) == (
        ["own"],
        f"left out, since the models are other-1: clown (of {shipped.base_model_id})",
    )
    assert split_by_base(Bank(str(tmp_path / "none")), "other-1") == ([], "")


def test_adopted_version_is_the_same_to_the_bit(tmp_path, shipped):
    bank = Bank(str(tmp_path / "bank"))
    adopted = bank.adopt(shipped)
    assert bank.champion("clown") == adopted
    ours, theirs = uris.read_tree(adopted.uri), uris.read_tree(shipped.uri)
    assert ours == theirs
    assert {"adapter.safetensors", "curve.parquet", "references/000.png"} <= set(ours)
    bank.adopt(shipped)  # a second job, or a repeated one
    assert bank.versions("clown") == [shipped.version]


def test_a_bank_that_cannot_be_written_is_named(tmp_path, shipped):
    (tmp_path / "bank").write_text("a file where the bank should be")
    with pytest.raises(OutputError, match="bank"):
        Bank(str(tmp_path / "bank")).adopt(shipped)


def test_a_bundle_without_a_bank_has_no_ready_made_domains(tmp_path):
    assert bundle_folder(str(tmp_path)) == str(tmp_path)
    assert ready_made_bank(str(tmp_path)).domains() == []
    with pytest.raises(NoInputError, match="no bank at"):
        find_champion("clown", Bank(str(tmp_path / "bank")), str(tmp_path))


def test_its_run_shows_curve_pictures_and_final_scalars(tmp_path, shipped):
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    target = TrackingTarget(uri=uri, parent="job", spool=str(tmp_path / "spool"))
    record_version(shipped, target)
    record_version(shipped, target)  # a task that is tried again repeats nothing
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("style-bank")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.domain = 'clown'")
    assert len(runs) == 1
    assert runs[0].info.status == "FINISHED"
    assert runs[0].data.tags["ready_made"] == "true"
    identity = client.get_metric_history(runs[0].info.run_id, "identity")
    assert [point.step for point in identity] == [10, 20, 30, 40]
    finals = shipped.info["training"]
    assert runs[0].data.metrics["final/identity"] == pytest.approx(finals["identity"])
    images = client.list_artifacts(runs[0].info.run_id, "images")
    assert sum("probe~face_000" in item.path for item in images) == 2  # picture and thumbnail


def test_a_version_without_its_curve_cannot_be_shown(tmp_path, shipped):
    bank = Bank(str(tmp_path / "bank"))
    adopted = bank.adopt(shipped)
    shutil.rmtree(tmp_path / "bank" / "clown" / shipped.version)
    with pytest.raises(OSError, match=r"curve\.parquet"):
        record_version(adopted, TrackingTarget())
