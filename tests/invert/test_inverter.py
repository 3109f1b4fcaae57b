"""Inversion of the generator's own pictures, whose codes and cameras are known."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from itportrait.config import Settings, fingerprint
from itportrait.errors import InvalidArgumentError, MissingModelError, UnknownNameError
from itportrait.generator.whitened import WhitenedSpace
from itportrait.geometry.camera import camera_angles, frontal_camera
from itportrait.image import to_tensor
from itportrait.invert import Inversion, InvertConfig, Inverter, Problem
from itportrait.invert.camera import CORRECTIONS, EXPECTED_ERROR, correct_camera
from itportrait.invert.optimize import BatchOptimizer
from itportrait.invert.tuning import TuningConfig
from itportrait.metrics import psnr
from itportrait.records import RecordError, Status
from itportrait.stages.within import told_to
from tests.helpers.tiny_family import own_samples, tiny_bundle


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture(scope="module")
def portraits(bundle):
    return own_samples(bundle, 3)[0]


def make(bundle, **settings):
    return Inverter(InvertConfig.parse({"steps": 40, "early_stop": False, **settings}), bundle)


def test_own_pictures_come_back(bundle, portraits):
    inverter = make(bundle, steps=80, lr=0.1)
    for row, source in zip(inverter.invert(portraits), portraits, strict=True):
        assert row.status is Status.OK
        assert row.record_id == source.record_id
        assert row.psnr > 26
        assert row.identity > 0.9
        assert row.steps == 80
        assert row.w_plus.shape == (bundle.generator.num_ws * bundle.generator.w_dim,)
        render, target = to_tensor(row.pixels)[None], to_tensor(source.pixels)[None]
        assert psnr(render, target)[0] == pytest.approx(row.psnr, abs=1)  # rounded to 8 bits
        ws = torch.from_numpy(row.w_plus).view(1, bundle.generator.num_ws, -1)
        camera = torch.from_numpy(row.camera)[None]
        again = bundle.generator.synthesize(ws, camera).image
        assert psnr(again, target)[0] == pytest.approx(row.psnr, abs=0.05)


def test_a_camera_that_is_known_well_stays_where_it_is(bundle, portraits):
    """Corrections of a portrait follow its own uncertainty, whatever the batch it comes in."""
    turned = torch.tensor([[1.5, 0, 0, 0, 0, 0]])
    off = [
        replace(p, camera=correct_camera(torch.from_numpy(p.camera)[None], turned)[0].numpy())
        for p in portraits
    ]
    start = camera_angles(torch.from_numpy(off[0].camera)[None])[0]
    sure = replace(off[0], yaw_std_rad=math.radians(0.2), pitch_std_rad=math.radians(0.2))
    settings = {"steps": 25, "weights": {"camera": 1e-4}}
    alone, mixed = make(bundle, **settings).invert([sure]), make(bundle, **settings)
    together, plain = mixed.invert([sure, *off[1:]]), make(bundle, **settings).invert(off)
    assert abs(alone[0].yaw_rad - start) < abs(plain[0].yaw_rad - start) / 2
    np.testing.assert_allclose(alone[0].camera, together[0].camera, atol=1e-4)
    np.testing.assert_allclose(together[1].camera, plain[1].camera, atol=1e-4)
    (bad,) = mixed.invert([replace(portraits[0], yaw_std_rad=0.0, pitch_std_rad=0.1)])
    assert bad.status is Status.FAILED
    assert "standard deviations above 0" in bad.error.message


def test_w_plus_fits_better_than_w_and_w_has_equal_rows(bundle, portraits):
    loose = make(bundle, w_share=0.2).invert(portraits)
    tight = make(bundle, method="w").invert(portraits)
    assert np.mean([row.psnr for row in loose]) > np.mean([row.psnr for row in tight])
    for row in tight:
        codes = row.w_plus.reshape(bundle.generator.num_ws, -1)
        assert np.abs(codes - codes[0]).max() < 1e-4


def test_result_does_not_depend_on_batch_mates(bundle, portraits):
    # Few steps: a library's kernels may sum in another order for another batch size, and every step
    # drives such roundings further apart.
    together = make(bundle, steps=20, batch_size=3).invert(portraits)
    alone = make(bundle, steps=20, batch_size=1).invert(portraits)
    turned = make(bundle, steps=20, batch_size=2).invert(portraits[::-1])[::-1]
    for one, two, three in zip(together, alone, turned, strict=True):
        np.testing.assert_allclose(one.w_plus, two.w_plus, atol=1e-3)
        np.testing.assert_allclose(one.w_plus, three.w_plus, atol=1e-3)
        assert one.psnr == pytest.approx(two.psnr, abs=0.1)


def test_repeats_to_the_bit(bundle, portraits):
    first, second = (make(bundle, steps=10).invert(portraits) for _ in range(2))
    for one, two in zip(first, second, strict=True):
        assert np.array_equal(one.w_plus, two.w_plus)


def test_refinement_finds_back_a_displaced_camera(bundle):
    """Camera alone, at the true code: on a random field, codes could explain a turn away."""
    records, ws = own_samples(bundle, 3)
    truth = torch.stack([torch.from_numpy(record.camera) for record in records])
    images = torch.stack([to_tensor(record.pixels) for record in records])
    off = torch.zeros(3, len(CORRECTIONS))
    off[:, 0] = math.radians(4) / EXPECTED_ERROR[0]
    off[:, 3] = 0.01 / EXPECTED_ERROR[3]
    displaced = correct_camera(truth, off)
    weights = {"camera": 0.0, "prior": 0.0, "spread": 0.0}
    config = InvertConfig.parse(
        {"steps": 60, "lr": 1e-6, "camera_lr": 0.1, "early_stop": False, "weights": weights}
    )
    space = WhitenedSpace.of(bundle.generator, frontal_camera(), samples=500, seed=0)
    solutions = BatchOptimizer(
        Problem.of(images, displaced, ("a", "b", "c")),
        space.whiten(ws),
        config=config,
        bundle=bundle,
        space=space,
        tied_steps=0,
        noise=0.0,
    ).run()
    found = torch.stack([solution.camera for solution in solutions])
    before = (camera_angles(displaced)[0] - camera_angles(truth)[0]).abs().mean()
    after = (camera_angles(found)[0] - camera_angles(truth)[0]).abs().mean()
    assert after < 0.3 * before


def test_the_camera_stays_where_it_is_unless_asked(bundle, portraits):
    rows = make(bundle, steps=3, refine_camera=False).invert(portraits)
    assert all(np.array_equal(a.camera, b.camera) for a, b in zip(rows, portraits, strict=True))


def test_converged_portraits_leave_the_batch_by_themselves(bundle, portraits):
    settings = {"steps": 60, "w_share": 0.2, "early_stop": True, "min_gain": 0.0, "patience": 1000}
    full = make(bundle, **settings).invert(portraits)
    best = max(row.psnr for row in full)
    easy = sorted(full, key=lambda row: -row.psnr)[0].record_id
    early = make(bundle, **settings, target_psnr=best - 6).invert(portraits)
    steps = {row.record_id: row.steps for row in early}
    assert steps[easy] < 60
    assert max(steps.values()) == 60
    for row in early:
        if row.record_id == easy:
            assert row.psnr > best - 6
        assert row.seconds > 0
    by_time = sorted(early, key=lambda row: row.seconds)
    assert by_time[0].steps <= by_time[-1].steps


def test_plateau_ends_a_portrait(bundle, portraits):
    settings = {"w_share": 0.05, "early_stop": True, "min_gain": 0.3, "patience": 5}
    rows = make(bundle, steps=200, **settings).invert(portraits)
    # The W phase of 10, a plateau soon after, and the ramp of a quarter of the bound.
    assert all(10 + 50 < row.steps < 150 for row in rows)


def test_steps_and_portraits_are_told_while_they_are_worked_on(bundle, portraits):
    heard: list[tuple[int, str]] = []
    broken = replace(portraits[0], camera=None)
    inverter = make(bundle, steps=3, batch_size=2)
    with told_to(lambda *said: heard.append(said)):
        inverter.invert([broken, *portraits])
    steps = [f"step {step} of at most 3" for step in (1, 2, 3)]
    first, second = [(0, text) for text in steps], [(3, text) for text in steps]
    assert heard == [*first, (3, ""), *second, (4, "")]


def test_one_bad_camera_fails_one_row_alone(bundle, portraits):
    camera = portraits[1].camera.copy()
    camera[16] = camera[20] = 0.0  # a focal length of zero: rays are not finite
    poisoned = [portraits[0], replace(portraits[1], camera=camera), portraits[2]]
    rows = make(bundle, steps=15).invert(poisoned)
    assert [row.status for row in rows] == [Status.OK, Status.FAILED, Status.OK]
    assert rows[1].error == RecordError(
        "invert", "NonFiniteError", "loss or gradient not finite after 0 steps"
    )
    clean = make(bundle, steps=15).invert(portraits)
    np.testing.assert_allclose(rows[0].w_plus, clean[0].w_plus, atol=1e-3)


def test_rows_for_all_whatever_comes(bundle, portraits):
    error = RecordError("align", "no_face", "none found")
    lost = replace(portraits[0], record_id="x", status=Status.REJECTED, error=error)
    blind = replace(portraits[0], record_id="y", pixels=None)
    flat = replace(portraits[0], record_id="z", pixels=np.zeros((4, 4), np.uint8))
    rows = make(bundle, steps=2).invert([lost, blind, portraits[0], flat])
    assert [row.record_id for row in rows] == ["x", "y", portraits[0].record_id, "z"]
    assert [str(row.status) for row in rows] == ["rejected", "failed", "ok", "failed"]
    assert rows[0].error == error
    assert rows[1].error.type == "InvalidArgumentError"
    assert "no pixels" in rows[1].error.message
    assert make(bundle, steps=2).invert([]) == []


def test_a_portrait_that_breaks_its_batch_is_singled_out(bundle, portraits):
    inverter = make(bundle, steps=2)
    run = inverter.method.run

    def poisoned(problem):
        if portraits[1].record_id in problem.keys:
            raise MemoryError("out of memory")
        return run(problem)

    inverter.method.run = poisoned
    rows = inverter.invert(portraits)
    assert [str(row.status) for row in rows] == ["ok", "failed", "ok"]
    assert rows[1].error == RecordError("invert", "MemoryError", "out of memory")


def test_poor_inversions_are_rejected_with_their_numbers(bundle, portraits):
    rows = make(bundle, steps=2, min_psnr=90).invert(portraits)
    for row in rows:
        assert row.status is Status.REJECTED
        assert row.error.type == "low_quality"
        assert f"{row.psnr:.2f} dB, below 90" in row.error.message
        assert row.w_plus is not None
    assert make(bundle, steps=2, min_identity=1.1).invert(portraits)[0].error.type == "low_quality"


def test_codes_start_where_the_encoder_says(portraits):
    family = tiny_bundle(encoder=True)
    rows = make(family, steps=1, lr=1e-6, refine_camera=False).invert(portraits)
    images = torch.stack([to_tensor(record.pixels) for record in portraits])
    codes = family.encoder(images)[0].flatten(1).numpy()
    for row, code in zip(rows, codes, strict=True):
        np.testing.assert_allclose(row.w_plus, code, atol=1e-3)
    mean = make(family, steps=1, lr=1e-6, start="mean", noise=0.0).invert(portraits)
    w_avg = family.generator.w_avg.repeat(family.generator.num_ws).numpy()
    np.testing.assert_allclose(mean[0].w_plus, w_avg, atol=1e-3)


def test_impossible_wishes_are_refused_at_once(bundle):
    with pytest.raises(MissingModelError, match="no encoder"):
        make(bundle, start="encoder")
    with pytest.raises(
        UnknownNameError, match=r"known: encoder, .*multiview, pti, symmetry, w, w_plus"
    ):
        make(bundle, method="w++")


def test_settings_of_former_releases_are_serialized_as_they_were():
    """What is serialized is part of the fingerprint, by which an output of then is resumed."""
    assert "methods" not in InvertConfig().model_dump_json()
    other = InvertConfig(methods={"pti": {"rank": 4}})  # of a method that is not chosen
    assert other.model_dump_json() == InvertConfig().model_dump_json()


def test_all_settings_of_the_chosen_method_are_serialized_in_one_order():
    defaults = InvertConfig(method="pti")
    assert defaults.model_dump()["methods"]["pti"]["steps"] == TuningConfig().steps
    assert fingerprint(defaults) == fingerprint(
        InvertConfig(method="pti", methods={"pti": {"steps": str(TuningConfig().steps)}})
    )
    one, other = {"rank": 4, "lr": 0.01}, {"lr": 0.01, "rank": 4}
    texts = [InvertConfig(method="pti", methods={"pti": o}).model_dump_json() for o in (one, other)]
    assert texts[0] == texts[1]
    again = InvertConfig.model_validate_json(texts[0])
    assert again.model_dump_json() == texts[0]
    assert TuningConfig.parse(again.options) == TuningConfig(rank=4, lr=0.01)


def test_options_of_a_method_that_is_not_installed_are_serialized_as_they_were_given():
    elsewhere = InvertConfig(method="elsewhere", methods={"elsewhere": {"rank": 4}})
    assert elsewhere.model_dump()["methods"] == {"elsewhere": {"rank": 4}}
    assert InvertConfig.model_validate_json(elsewhere.model_dump_json()) == elsewhere


def test_options_that_a_method_does_not_have_are_refused_at_once(bundle):
    with pytest.raises(InvalidArgumentError, match=r"invert\.methods\.w_plus.*unknown key 'rank'"):
        make(bundle, methods={"w_plus": {"rank": 4}})


def test_a_method_has_settings_of_its_own(bundle):
    class Options(Settings):
        rank: int = 1

    class Ranked(Inversion):
        Config = Options

        def run(self, problem):
            return []

    assert Ranked(InvertConfig(methods={"w_plus": {"rank": 4}}), bundle).options == Options(rank=4)
    with pytest.raises(InvalidArgumentError, match="unknown key 'rnk'; known: rank"):
        Ranked.check(InvertConfig(methods={"w_plus": {"rnk": 4}}))
