"""The id of a bundle from its model.json alone."""

import json
import shutil
from pathlib import Path

import pytest

from itportrait.bundle import load_bundle
from itportrait.bundle.model_id import bundle_key, read_model_id, remembered_model_id
from itportrait.bundle.places import bundle_folder
from itportrait.errors import MissingModelError


def test_it_is_the_one_of_the_opened_bundle(tmp_path):
    assert read_model_id("mini") == load_bundle("mini").model_id
    shutil.copy(f"{bundle_folder('mini')}/model.json", tmp_path)  # no weights are needed
    assert read_model_id(str(tmp_path)) == read_model_id("mini")


def test_it_is_remembered_until_the_file_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "cache"))
    content = json.loads(Path(bundle_folder("mini"), "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(content))
    place = str(tmp_path)
    first = remembered_model_id(place)
    assert first == read_model_id(place)
    kept = tmp_path / "cache" / "model-ids" / str(bundle_key(place))
    assert kept.read_text() == first
    kept.write_text("as it was read once")
    assert remembered_model_id(place) == "as it was read once"
    (tmp_path / "model.json").write_text(json.dumps({**content, "name": "other"}))
    assert remembered_model_id(place) == read_model_id(place)
    assert remembered_model_id(place).startswith("other-")


def test_a_bundle_that_is_not_there_is_named(tmp_path):
    for find in (read_model_id, remembered_model_id):
        with pytest.raises(MissingModelError, match=r"no model bundle at .*none"):
            find(str(tmp_path / "none"))
    assert bundle_key(str(tmp_path / "none")) is None
