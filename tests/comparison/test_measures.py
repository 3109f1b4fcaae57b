"""Measures of portraits: one that fails stands alone, and what was fitted is not fitted again."""

import errno
from dataclasses import replace

import pytest
import torch

from itportrait.comparison.config import MeasuresConfig
from itportrait.comparison.measures import Judge
from itportrait.comparison.portraits import Portrait
from itportrait.metrics import StyleTarget
from itportrait.records import InvertedRecord, Status
from itportrait.styles import PreparedGenerator
from tests.helpers.portrait_style import FilteredPortraits, PortraitStyle
from tests.helpers.tiny_family import own_samples, tiny_bundle

CONFIG = MeasuresConfig()


@pytest.fixture(scope="module")
def judge():
    """Return a judge of red pictures."""
    return Judge(tiny_bundle(), CONFIG, StyleTarget("red", "green"))


@pytest.fixture(scope="module")
def people(judge):
    """Return three portraits, the generator's own."""
    photos, codes = own_samples(judge.bundle, 3)
    return [
        Portrait(
            f"{row}.png",
            f"{row}.png",
            photo,
            InvertedRecord(
                record_id=photo.record_id,
                camera=photo.camera,
                w_plus=codes[row].numpy().reshape(-1),
            ),
        )
        for row, photo in enumerate(photos)
    ]


@pytest.fixture
def red(judge):
    """Return a style that is fitted to each portrait."""
    return PortraitStyle("red", judge.bundle.model_id, torch.tensor([0.8, -0.8, -0.8]))


def test_what_is_fitted_to_a_portrait_is_kept_and_not_fitted_again(judge, people, red, monkeypatch):
    base, fits, style = judge.base(people), {}, red.prepare(judge.bundle.generator)
    first = judge.measure(style, people, base, None, fits)
    assert set(fits) == {person.record_id for person in people}
    monkeypatch.setattr(FilteredPortraits, "fit", lambda portraits: pytest.fail("fitted again"))
    again = judge.measure(style, people, base, None, fits)
    assert [row.values for row in again] == [row.values for row in first]
    assert all(row.values["clip_direction"] > 0.5 for row in first)
    assert all(len(row.views) == 4 for row in first)
    assert first[0].values["portrait_seconds"] > 0


def test_a_portrait_that_cannot_be_fitted_costs_no_other(judge, people, red, monkeypatch):
    whole, fit = people[1].inverted.w_plus, FilteredPortraits.fit

    def picky(portraits):
        if any((ws.numpy().reshape(-1) == whole).all() for ws in portraits.codes.ws):
            raise ValueError("no face to fit")
        return fit(portraits)

    monkeypatch.setattr(FilteredPortraits, "fit", picky)
    rows = judge.measure(red.prepare(judge.bundle.generator), people, judge.base(people), None, {})
    assert [row.status for row in rows] == [Status.OK, Status.FAILED, Status.OK]
    assert rows[1].error == "ValueError: no face to fit"
    assert rows[1].values == {}


def test_a_picture_that_is_not_finite_is_a_failed_portrait(judge, people):
    class Broken(PreparedGenerator):
        def bind(self, codes, *, fitted=None):
            nan = codes.ws.clone()
            nan[0] = float("nan")
            return super().bind(replace(codes, ws=nan))

    rows = judge.measure(
        Broken(judge.bundle.generator), people[:1], judge.base(people[:1]), None, {}
    )
    assert rows[0].status is Status.FAILED
    assert "not finite" in (rows[0].error or "")


def test_the_base_itself_is_what_scores_are_measured_from(judge, people):
    base = judge.base(people)
    truth = base.own.final_image
    rows = judge.measure(PreparedGenerator(judge.bundle.generator), people, base, truth, {})
    for row in rows:
        assert row.values["depth_variance"] == pytest.approx(1, abs=1e-4)
        assert row.values["truth_distance"] == pytest.approx(0, abs=1e-5)


def test_a_lack_of_memory_or_storage_is_no_fault_of_a_portrait(judge, people, red, monkeypatch):
    base, style = judge.base(people), red.prepare(judge.bundle.generator)
    for error, kind in [
        (MemoryError("little"), MemoryError),
        (RuntimeError("DefaultCPUAllocator: not enough memory"), MemoryError),
        (torch.OutOfMemoryError("CUDA out of memory"), MemoryError),
        (ConnectionResetError("gone"), ConnectionResetError),
        (OSError(errno.EIO, "Input/output error"), OSError),
    ]:

        def fit(portraits, error=error):
            raise error

        monkeypatch.setattr(FilteredPortraits, "fit", fit)
        with pytest.raises(kind, match=str(error.args[-1])):
            judge.measure(style, people, base, None, {})
