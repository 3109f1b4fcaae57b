"""Which portraits are tuned: by thresholds that need no truth, whatever the batch, or as told."""

from dataclasses import replace

import numpy as np
import pytest

from itportrait.errors import InvalidArgumentError
from itportrait.invert import InvertConfig, Inverter
from itportrait.invert.methods import INVERSIONS
from itportrait.records import Status
from tests.helpers.tiny_family import own_samples, tiny_bundle

QUICK = {"steps": 8, "early_stop": False, "statistics_samples": 256, "refine_camera": False}
TUNED = {"steps": 2, "lr": 0.01, "side_loss": 100, "depth_variance": [0, 100]}


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture(scope="module")
def portraits(bundle):
    """Two pictures of the generator's own, and one that no code of it draws."""
    records = own_samples(bundle, 3)[0]
    records[1].pixels[:, :, 0] = 255 - records[1].pixels[:, :, 0]
    return records


def invert(bundle, portraits, **settings):
    data = {**QUICK, "method": "pti", "methods": {"pti": TUNED}, **settings}
    return Inverter(InvertConfig.parse(data), bundle).invert(portraits)


@pytest.fixture(scope="module")
def untuned(bundle, portraits):
    return invert(bundle, portraits, tune="never")


def test_never_gives_what_the_code_alone_gives(bundle, portraits, untuned):
    codes = invert(bundle, portraits, method="w_plus")
    for row, code in zip(untuned, codes, strict=True):
        assert (row.tuning, row.weights, row.psnr) == (None, None, code.psnr)
        np.testing.assert_array_equal(row.w_plus, code.w_plus)


@pytest.mark.parametrize("measure", ["perceptual", "identity"])
def test_auto_tunes_those_that_miss_a_threshold(bundle, portraits, untuned, measure):
    """Each threshold decides by itself, and a portrait's fate does not depend on its batch."""
    values = [getattr(row, measure) for row in untuned]
    ranked = sorted(range(3), key=lambda row: values[row], reverse=measure == "identity")
    between = (values[ranked[1]] + values[ranked[2]]) / 2
    settings = {"good_perceptual": 100, "good_identity": -1, f"good_{measure}": between}
    together = invert(bundle, portraits, **settings)
    alone = invert(bundle, portraits, **settings, batch_size=1)
    for rows in (together, alone):
        fates = [rows[row].tuning for row in ranked]
        assert fates == ["good without", "good without", "tuned"]
        assert [rows[row].weights is not None for row in ranked] == [False, False, True]
        assert rows[ranked[0]].psnr == pytest.approx(untuned[ranked[0]].psnr, abs=1e-4)


def test_auto_tunes_nobody_where_all_are_good_and_passes_failures_on(bundle, portraits):
    camera = portraits[1].camera.copy()
    camera[16] = camera[20] = 0.0
    poisoned = [portraits[0], replace(portraits[1], camera=camera)]
    good, failed = invert(bundle, poisoned, good_perceptual=100, good_identity=-1)
    assert (good.status, good.tuning) == (Status.OK, "good without")
    assert (failed.status, failed.tuning) == (Status.FAILED, None)


def test_tuning_is_refused_to_a_method_that_does_none(bundle, portraits):
    sentence = r"invert\.tune must be auto or never with invert\.method w, which tunes nothing.*pti"
    with pytest.raises(InvalidArgumentError, match=sentence):
        invert(bundle, portraits, method="w", tune="always")
    with pytest.raises(InvalidArgumentError, match=sentence):
        INVERSIONS.get("w").check(InvertConfig(method="w", tune="always"))


def test_what_a_method_does_not_heed_is_no_part_of_its_serialized_settings():
    tuned = InvertConfig(method="pti", tune="always").model_dump_json()
    assert InvertConfig.model_validate_json(tuned).tune == "always"
    assert InvertConfig(method="pti", tune="never").model_dump_json() != tuned
    plain = InvertConfig(tune="never", good_perceptual=0.5).model_dump_json()
    assert plain == InvertConfig().model_dump_json()
    for settings in ({}, {"tune": "always"}):
        elsewhere = InvertConfig(method="elsewhere", **settings)
        text = elsewhere.model_dump_json()
        assert ("tune" in text) == bool(settings)
        assert InvertConfig.model_validate_json(text).model_dump_json() == text
