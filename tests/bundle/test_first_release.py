"""Bundles of the first release, whose `model.json` says `licence`, are read as they were."""

import json
from pathlib import Path

from itportrait.bundle import load_bundle
from itportrait.bundle.spec import BundleSpec

OLD = Path(__file__).parents[1] / "data" / "first_release" / "model.json"
"""The embedded bundle's own file, as the first release shipped it."""
MODEL_ID = "mini-5bd292024252514c"


def test_a_bundle_of_the_first_release_keeps_its_license_and_its_id():
    data = json.loads(OLD.read_text())
    assert "license" not in data
    spec = BundleSpec.parse(data)
    assert spec.license == data["licence"]
    assert spec.model_id == MODEL_ID


def test_a_bundle_is_written_under_todays_name_and_has_the_same_id():
    spec = BundleSpec.parse(json.loads(OLD.read_text()))
    written = json.loads(spec.to_text())
    assert written["license"] == spec.license
    assert "licence" not in written
    assert BundleSpec.parse(written).model_id == MODEL_ID


def test_an_id_still_depends_on_the_license():
    data = json.loads(OLD.read_text())
    assert BundleSpec.parse({**data, "licence": "other terms"}).model_id != MODEL_ID


def test_the_old_file_opens_as_a_bundle(tmp_path):
    (tmp_path / "model.json").write_bytes(OLD.read_bytes())
    assert load_bundle(tmp_path).model_id == MODEL_ID
