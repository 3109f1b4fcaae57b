"""What lets a cell stand: the style, the portraits and the truth that its scores were made from."""

import os
import shutil

import pytest

from itportrait.comparison.cells import plan_cells
from itportrait.comparison.config import DomainSettings
from itportrait.comparison.given import read_domain
from itportrait.comparison.measures import Fit
from itportrait.comparison.scoring import read_fits, write_fits
from itportrait.comparison.style_store import StoredStyle, StyleStore
from itportrait.io import uris
from itportrait.mini.samples import write_sample_portraits
from tests.helpers.one_cell import MODEL, cell_job, domain_job, one_cell, trained

STYLE = StoredStyle("zombie-0", "sha256", 5, 1.0, 2, {})


def test_scores_and_fits_of_a_style_end_with_it_though_its_key_is_the_same(tmp_path):
    config = one_cell(tmp_path)
    store, job = StyleStore(config.output), domain_job(config)
    first = cell_job(config, store.put(trained(job)))
    write_fits(first, 0, {"a": Fit(b"fit", 1.0)})
    same = cell_job(config, store.put(trained(job)))
    assert (same.fingerprint, read_fits(same, 0)) == (first.fingerprint, {"a": Fit(b"fit", 1.0)})

    other = cell_job(config, store.put(trained(job, b"other")))
    assert other.style.name == first.style.name
    assert other.fingerprint != first.fingerprint
    assert other.part(0) != first.part(0)
    assert read_fits(other, 0) == {}


def test_a_truth_is_known_by_what_its_pictures_show(tmp_path):
    folder, copy = tmp_path / "true", tmp_path / "copy"
    write_sample_portraits(str(folder), 2, 0, 64)
    shutil.copytree(folder, copy)

    def digest(truth):
        given = read_domain("zombie", DomainSettings(prompt="a zombie", truth=str(truth)))
        assert not given.reason
        job = cell_job(one_cell(tmp_path), STYLE, target=given.target)
        return job.fingerprint, given.target.truth_digest

    first = digest(folder)
    assert digest(copy) == first
    os.utime(folder / "portrait-00000.png", (0, 0))
    assert digest(folder) == first
    shutil.copy(folder / "portrait-00000.png", folder / "portrait-00001.png")
    assert not {*digest(folder)} & {*first}
    assert digest("mini:zombie") != digest("mini:bronze")


def test_a_truth_without_pictures_is_the_reason_of_its_cells(tmp_path):
    config = one_cell(tmp_path, domains={"zombie": {"prompt": "x", "truth": str(tmp_path)}})
    (planned,) = plan_cells(config, MODEL)
    assert planned.job is None
    assert "truth: no pictures" in planned.reason


def test_a_style_that_was_half_replaced_does_not_stand_under_its_former_marker(
    tmp_path, monkeypatch
):
    config = one_cell(tmp_path)
    store, job, put = StyleStore(config.output), domain_job(config), uris.put_bytes
    name, other = store.put(trained(job)).name, trained(job, b"STYLE")  # as long as the former one

    def killed_after_the_style(uri, data):
        put(uri, data)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(uris, "put_bytes", killed_after_the_style)
        with pytest.raises(KeyboardInterrupt):
            store.put(other)
    assert store.find(name) is None
    assert store.put(other) == store.find(name)
