"""The settings reference, from the docstrings: every setting of every job, with its meaning."""

import importlib.util
import re

import pytest

from itportrait.config import Settings
from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference", REPOSITORY / "docs/reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_name_nested_settings_with_default_and_meaning(reference, tmp_path):
    job, bank = (path.read_text() for path in reference.write_settings(tmp_path))
    assert "<b>ingest.shard_size</b> <small>int, ≥ 1; default 64</small>" in job
    assert "<b>align.max_yaw_deg</b> <small>float, &gt; 0, ≤ 90; default 90</small>" in job
    assert "<b>domains[].prompt</b> <small>str | null; default null</small>" in job
    assert "<b>resources.align.timeout_s</b>" in job
    assert "<b>invert.methods.pti.rank</b>" in job
    assert "<b>domains.NAME.prompt</b>" in bank


def test_rows_are_complete_and_unique(reference):
    for _, model in reference.PAGES.values():
        keys = [key for key, *_ in reference.settings_rows(model)]
        assert len(keys) == len(set(keys)) > 50


def test_meanings_are_sentences_that_can_be_read_alone(reference):
    for _, model in reference.PAGES.values():
        rows = [*reference.settings_rows(model), *reference.method_rows(model)]
        for key, _, _, meaning in rows:
            assert re.match(r"[A-Z0-9`]", meaning), f"{key}: {meaning}"
            assert not re.match(r"(Of|And|The same|…)\b", meaning), f"{key}: {meaning}"
            assert meaning.endswith("."), f"{key}: {meaning}"


def test_a_setting_without_docstring_is_an_error(reference):
    class Silent(Settings):
        """Settings of nothing."""

        speed: int = 1

    with pytest.raises(ValueError, match=r"Silent\.speed has no docstring"):
        list(reference.settings_rows(Silent))


def test_index_leads_to_settings_and_modules(reference, tmp_path):
    settings = reference.write_settings(tmp_path)
    text = reference.write_index(tmp_path, ["itportrait.io"], settings).read_text()
    assert 'href="itportrait/io.html"' in text
    assert all(f'href="{path.name}"' in text for path in settings)


def test_every_module_and_export_can_be_had(reference):
    modules = reference.api_modules()
    assert {"itportrait", "itportrait.adapt", "itportrait.engine"} <= set(modules)
