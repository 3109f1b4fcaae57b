"""Portraits that are seen in part: what is hidden does not pull at the code."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from itportrait.bundle import load_bundle
from itportrait.geometry.camera import look_at_camera
from itportrait.image import to_tensor
from itportrait.invert import InvertConfig, Inverter
from itportrait.metrics import psnr
from itportrait.portraits import ORBIT, render_portrait, sample_people
from itportrait.records import AlignedRecord, Status
from tests.helpers.tiny_family import own_samples, tiny_bundle


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


def covered(record, rows, columns, color=(255, 0, 255)):
    """Return a portrait with a bar painted over it, and the mask that hides the bar."""
    pixels, mask = record.pixels.copy(), np.full(record.pixels.shape[:2], 255, np.uint8)
    pixels[rows, columns] = color
    mask[rows, columns] = 0
    return replace(record, pixels=pixels, mask=mask)


def make(bundle, **settings):
    return Inverter(InvertConfig.parse({"steps": 40, "early_stop": False, **settings}), bundle)


def distance_in(rows, records, part):
    """Return the mean error of inversions in a part of the true pictures, in dB."""
    renders, truths = (
        torch.stack([to_tensor(item.pixels)[:, *part] for item in items])
        for items in (rows, records)
    )
    return psnr(renders, truths)


@pytest.mark.parametrize("method", ["w_plus", "pti"])
def test_what_a_mask_hides_does_not_pull(bundle, method):
    truths = own_samples(bundle, 1)[0]
    bar = (slice(8, 28), slice(18, 30))
    seen = [covered(record, *bar) for record in truths]
    settings = {"method": method, "steps": 30 if method == "w_plus" else 20}
    if method == "pti":
        settings |= {"tune": "always", "methods": {"pti": {"steps": 8, "check_every": 8}}}
    naive = make(bundle, **settings).invert([replace(record, mask=None) for record in seen])
    rows = make(bundle, **settings).invert(seen)
    assert (distance_in(rows, truths, bar) > distance_in(naive, truths, bar) + 4).all()
    for row, blind, truth in zip(rows, naive, truths, strict=True):
        # Measured where the mask says, and so not at the bar.
        assert row.psnr > blind.psnr + 2
        assert row.perceptual < blind.perceptual
        assert row.record_id == truth.record_id


def test_a_mask_of_one_portrait_leaves_the_others_as_they_are(bundle):
    truths = own_samples(bundle, 3)[0]
    hidden = [covered(truths[0], slice(0, 9), slice(0, 32)), *truths[1:]]
    white = replace(truths[2], mask=np.full(truths[2].pixels.shape[:2], 255, np.uint8))
    plain = make(bundle, steps=8).invert(truths)
    mixed = make(bundle, steps=8).invert(hidden)
    whole = make(bundle, steps=8).invert([*truths[:2], white])
    for position in (1, 2):
        for other in (mixed[position], whole[position]):
            # Kernels may sum in another order where a gradient comes in another layout.
            np.testing.assert_allclose(plain[position].w_plus, other.w_plus, atol=1e-3)
            assert plain[position].psnr == pytest.approx(other.psnr, abs=0.01)
    assert np.abs(plain[0].w_plus - mixed[0].w_plus).max() > 0.05


def test_a_portrait_has_converged_where_the_mask_says(bundle):
    truths = own_samples(bundle, 1)[0]
    seen = covered(truths[0], slice(8, 28), slice(18, 30))
    settings = {"early_stop": True, "min_gain": 0.0, "patience": 1000, "w_share": 0.2}
    (row,) = make(bundle, steps=60, target_psnr=20, **settings).invert([seen])
    (blind,) = make(bundle, steps=60, target_psnr=20, **settings).invert([replace(seen, mask=None)])
    assert row.steps < 60
    assert blind.steps == 60


def test_a_mask_that_shows_nothing_fails_its_row_alone(bundle):
    truths = own_samples(bundle, 2)[0]
    empty = replace(truths[0], mask=np.zeros(truths[0].pixels.shape[:2], np.uint8))
    failed, good = make(bundle, steps=2).invert([empty, truths[1]])
    assert failed.status is Status.FAILED
    assert "no pixel brighter than 0" in failed.error.message
    assert good.status is Status.OK


@pytest.mark.slow
def test_a_drawn_person_behind_a_bar_or_cut_by_the_border_comes_back():
    """The truth of what is hidden is known, and nearer with a mask than without."""
    mini = load_bundle("mini")
    (person,) = sample_people(1, seed=991)
    camera = look_at_camera(torch.tensor([0.2]), torch.tensor([0.05]), ORBIT)[0]
    size = mini.generator.image_resolution
    truth = AlignedRecord(
        record_id="a",
        uri="",
        pixels=render_portrait(person, camera, size).image,
        camera=camera.numpy(),
        width=size,
        height=size,
    )
    bar = (slice(58, 110), slice(66, 97))
    border = (slice(0, 128), slice(0, 32))
    behind = covered(truth, *bar, color=(240, 50, 50))
    cut = replace(covered(truth, *border, color=0), crop=np.array([-32.0, 0.0, 128.0]))
    found = make(mini, steps=20).invert(
        [replace(behind, mask=None), behind, replace(cut, mask=None), cut]
    )
    for place, (former, masked) in ((bar, found[:2]), (border, found[2:])):
        before, after = (distance_in([row], [truth], place)[0] for row in (former, masked))
        assert after > before + 3
        shown = torch.ones(1, 1, size, size)
        shown[:, :, *place] = 0
        inside = [
            psnr(to_tensor(row.pixels)[None], to_tensor(truth.pixels)[None], shown)
            for row in (former, masked)
        ]
        assert inside[1] > inside[0]
        assert masked.psnr == pytest.approx(float(inside[1]), abs=0.2)
