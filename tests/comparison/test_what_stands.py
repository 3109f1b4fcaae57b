"""What lets a cell stand: the style, the portraits and the truth that its scores were made from."""

import pytest

from itportrait.comparison.measures import Fit
from itportrait.comparison.scoring import read_fits, write_fits
from itportrait.comparison.style_store import StyleStore
from itportrait.io import uris
from tests.helpers.one_cell import cell_job, domain_job, one_cell, trained


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
