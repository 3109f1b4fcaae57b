"""What lets a cell stand: the style, the portraits and the truth that its scores were made from."""

import dataclasses

import pytest

from itportrait.comparison.cells import Cell, plan_cells
from itportrait.comparison.config import parse_comparison
from itportrait.comparison.measures import Fit
from itportrait.comparison.portraits import PortraitSet
from itportrait.comparison.scoring import CellJob, read_fits, write_fits
from itportrait.comparison.style_store import StyleStore
from itportrait.comparison.warm import Target
from itportrait.io import uris
from itportrait.styles.names import STYLE_FILE
from itportrait.training.trained_domain import TrainedDomain

CELL = Cell("itportrait", "zombie", 0)


@pytest.fixture
def config(tmp_path):
    return parse_comparison(
        {
            "output": str(tmp_path / "out"),
            "methods": {"itportrait": {}},
            "domains": {"zombie": {"prompt": "a zombie"}},
        }
    )


def trained(config, style=b"style", **files):
    """Return an adaptation of the only cell that has ended with a style of these bytes."""
    (planned,) = plan_cells(config, "model-0")
    assert planned.job
    files = {STYLE_FILE: style, **files}
    return TrainedDomain(job=planned.job, base_model_id="model-0", metrics={}, info={}, files=files)


def cell_job(config, style, **changes):
    """Return the job that scores the only cell with a style."""
    job = CellJob(
        cell=CELL,
        bundle="bundle",
        style=style,
        strength=1.0,
        portraits=PortraitSet(config.output, "digest", (0,), 2),
        target=Target("a zombie", "Photo"),
        align="{}",
        measures="{}",
    )
    return dataclasses.replace(job, **changes)


def test_scores_and_fits_of_a_style_end_with_it_though_its_key_is_the_same(config):
    store = StyleStore(config.output)
    first = cell_job(config, store.put(trained(config)))
    write_fits(first, 0, {"a": Fit(b"fit", 1.0)})
    same = cell_job(config, store.put(trained(config)))
    assert (same.fingerprint, read_fits(same, 0)) == (first.fingerprint, {"a": Fit(b"fit", 1.0)})

    other = cell_job(config, store.put(trained(config, b"other")))
    assert other.style.name == first.style.name
    assert other.fingerprint != first.fingerprint
    assert other.part(0) != first.part(0)
    assert read_fits(other, 0) == {}


def test_a_style_that_was_half_replaced_does_not_stand_under_its_former_marker(config, monkeypatch):
    store = StyleStore(config.output)
    name, put = store.put(trained(config)).name, uris.put_bytes

    def killed_after_the_style(uri, data):
        put(uri, data)
        raise KeyboardInterrupt

    other = trained(config, b"STYLE")  # as long as the former one
    with monkeypatch.context() as patch:
        patch.setattr(uris, "put_bytes", killed_after_the_style)
        with pytest.raises(KeyboardInterrupt):
            store.put(other)
    assert store.find(name) is None
    assert store.put(other) == store.find(name)
