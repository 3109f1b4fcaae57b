"""Pivotal tuning: likeness of the input view, other views that hold, batches, what is stored."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from itportrait.errors import InvalidArgumentError, MissingModelError
from itportrait.geometry.camera import camera_angles, look_at_camera
from itportrait.image import to_tensor, to_uint8
from itportrait.invert import InvertConfig, Inverter
from itportrait.invert.differences import Differences, tuned_parameters
from itportrait.invert.problem import Problem, Target
from itportrait.invert.pti import PivotalTuning
from itportrait.invert.tuning import Tuner, TuningConfig
from itportrait.invert.w_plus import WPlusInversion
from itportrait.metrics import psnr
from itportrait.records import Status
from itportrait.stages.within import told_to
from itportrait.styles import Codes, PreparedGenerator, WeightDelta
from tests.helpers.tiny_family import own_samples, tiny_bundle, tiny_generator

QUICK = {"steps": 20, "early_stop": False, "statistics_samples": 256}
TUNED = {
    "steps": 30,
    "lr": 0.01,
    "patience": 1000,
    "target_perceptual": 0,
    "side_loss": 100,
    "depth_variance": [0, 100],
}


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture(scope="module")
def portraits(bundle):
    """Pictures that no code of the generator draws: its own with another color."""
    records = own_samples(bundle, 3)[0]
    for record in records:
        record.pixels[:, :, 0] = 255 - record.pixels[:, :, 0]
    return records


def make(bundle, *, method="pti", options=TUNED, **settings):
    tune = "always" if method == "pti" else "never"
    data = {**QUICK, "method": method, "methods": {"pti": options}, "tune": tune, **settings}
    return Inverter(InvertConfig.parse(data), bundle)


def problem_of(bundle, portraits):
    images = torch.stack([to_tensor(record.pixels) for record in portraits])
    cameras = torch.stack([torch.as_tensor(record.camera) for record in portraits])
    return Problem.of(images, cameras, tuple(record.record_id for record in portraits))


@pytest.fixture(scope="module")
def rows(bundle, portraits):
    return make(bundle).invert(portraits)


def test_tuning_comes_nearer_to_the_input_than_the_code_alone(bundle, portraits, rows):
    codes = make(bundle, method="w_plus").invert(portraits)
    for tuned, code in zip(rows, codes, strict=True):
        assert tuned.status is Status.OK
        np.testing.assert_array_equal(tuned.w_plus, code.w_plus)
        np.testing.assert_array_equal(tuned.camera, code.camera)
        assert tuned.psnr > code.psnr + 1
        assert tuned.steps == code.steps + 30
        assert tuned.tuning == "tuned"
        assert code.weights is None
        assert code.tuning is None


def test_numbers_and_picture_are_of_what_is_stored(bundle, portraits, rows):
    codes = Codes.of(rows, bundle.generator)
    render = PreparedGenerator(bundle.generator).render(codes).image
    for row, image, portrait in zip(rows, render, portraits, strict=True):
        target = to_tensor(portrait.pixels)[None]
        assert float(psnr(image[None], target)) == pytest.approx(row.psnr, abs=1e-3)
        assert np.abs(to_uint8(image[None])[0].astype(int) - row.pixels).max() <= 1


def test_the_base_generator_and_its_mapping_stay_as_they_are(bundle, portraits):
    before = {name: p.clone() for name, p in bundle.generator.named_parameters()}
    row = make(bundle).invert(portraits[:1])[0]
    for name, parameter in bundle.generator.named_parameters():
        assert torch.equal(parameter, before[name]), name
    changes = WeightDelta.from_bytes(row.weights).changes
    assert not any(".mapping." in name for name in changes)
    assert set(changes) == set(tuned_parameters(bundle.generator))


def flat(row):
    changes = WeightDelta.from_bytes(row.weights).changes
    return torch.cat([changes[name].flatten() for name in sorted(changes)])


@pytest.mark.slow
@pytest.mark.parametrize("rank", [None, 2])
def test_result_does_not_depend_on_batch_mates(bundle, portraits, rank):
    options = {**TUNED, "steps": 8, "rank": rank}
    together = make(bundle, options=options, batch_size=3).invert(portraits)
    alone = make(bundle, options=options, batch_size=1).invert(portraits)
    turned = make(bundle, options=options, batch_size=2).invert(portraits[::-1])[::-1]
    for one, *others in zip(together, alone, turned, strict=True):
        mine = flat(one)
        for other in others:
            # Adam's first steps are the gradients' signs, which roundings turn where they are zero.
            assert (flat(other) - mine).norm() < 0.1 * mine.norm()
            assert one.psnr == pytest.approx(other.psnr, abs=0.1)


def test_repeats_to_the_byte(bundle, portraits):
    options = {**TUNED, "steps": 5}
    first, second = (make(bundle, options=options).invert(portraits[:2]) for _ in range(2))
    assert [row.weights for row in first] == [row.weights for row in second]


@pytest.mark.slow
def test_a_low_rank_takes_fewer_bytes(bundle, portraits, rows):
    low = make(bundle, options={**TUNED, "rank": 2}).invert(portraits)
    codes = make(bundle, method="w_plus").invert(portraits)
    for row, full, code in zip(low, rows, codes, strict=True):
        assert len(row.weights) < 0.7 * len(full.weights)
        assert row.psnr > code.psnr + 0.5


def test_differences_start_at_zero_whatever_their_form(bundle):
    parameters = tuned_parameters(bundle.generator)
    for rank in (None, 2):
        differences = Differences(parameters, rank)
        values = differences.start(["a", "b"], seed=0)
        again = differences.start(["b"], seed=0)
        for name, change in differences.of(values).items():
            assert change.shape == (2, *parameters[name].shape)
            assert change.abs().max() == 0
        for name in values:
            assert torch.equal(values[name][1:], again[name])


def test_views_that_do_not_hold_end_a_portrait_with_the_weights_that_passed_last(bundle, portraits):
    strict = {**TUNED, "depth_variance": [2, 3], "check_every": 4, "failed_checks": 2}
    codes = make(bundle, method="w_plus").invert(portraits)
    for row, code in zip(make(bundle, options=strict).invert(portraits), codes, strict=True):
        assert row.steps == 20 + 2 * 4
        assert row.weights is None
        assert row.tuning == "views did not hold"
        assert row.psnr == pytest.approx(code.psnr, abs=1e-4)
        assert np.abs(row.pixels.astype(int) - code.pixels).max() <= 1


@pytest.mark.slow
def test_a_portrait_that_is_alike_ends_early_and_the_others_go_on(bundle, portraits):
    codes = make(bundle, method="w_plus").invert(portraits)
    distances = sorted(row.perceptual for row in codes)
    target = (distances[0] + distances[1]) / 2
    options = {**TUNED, "target_perceptual": target}
    rows = make(bundle, options=options, early_stop=True, patience=1000).invert(portraits)
    first, *others = sorted(zip(codes, rows, strict=True), key=lambda pair: pair[0].perceptual)
    assert first[1].steps < 20 + 30
    assert all(first[1].steps < other.steps for _, other in others)


def test_checks_do_not_depend_on_batch_mates(bundle, portraits):
    """The portraits end at different steps, and no check of their other views passes."""
    codes = make(bundle, method="w_plus").invert(portraits)
    distances = sorted(row.perceptual for row in codes)
    options = {
        **TUNED,
        "target_perceptual": (distances[0] + distances[1]) / 2,
        "ramp_down": 0.1,
        "check_every": 12,
        "failed_checks": 2,
        "depth_variance": [2, 3],
    }
    settings = {"options": options, "early_stop": True, "patience": 1000}
    together = make(bundle, **settings).invert(portraits)
    alone = make(bundle, **settings, batch_size=1).invert(portraits)
    steps = [row.steps for row in together]
    assert steps == [row.steps for row in alone]
    assert min(steps) < 20 + 12 < max(steps)
    assert max(steps) == 20 + 24


def test_steps_of_tuning_are_told_apart_from_those_of_the_code(bundle, portraits):
    heard: list[str] = []
    inverter = make(bundle, options={**TUNED, "steps": 2}, steps=1)
    with told_to(lambda done, text: heard.append(text)):
        inverter.invert(portraits[:1])
    tuning = [f"step of tuning {step} of at most 2" for step in (1, 2)]
    assert heard == ["step 1 of at most 1", *tuning, ""]


def test_none_ends_early_unless_asked(bundle, portraits):
    options = {**TUNED, "patience": 2, "min_gain": 0.9, "target_perceptual": 10, "ramp_down": 0.1}
    short, full = (
        make(bundle, options=options, early_stop=early, patience=1000).invert(portraits[:1])[0]
        for early in (True, False)
    )
    assert short.steps < 20 + 30 == full.steps


def test_a_code_that_breaks_is_a_failed_row_alone(bundle, portraits):
    camera = portraits[1].camera.copy()
    camera[16] = camera[20] = 0.0
    poisoned = [portraits[0], replace(portraits[1], camera=camera), portraits[2]]
    rows = make(bundle, options={**TUNED, "steps": 3}).invert(poisoned)
    assert [row.status for row in rows] == [Status.OK, Status.FAILED, Status.OK]
    assert rows[1].weights is None
    assert rows[1].tuning is None


@pytest.mark.parametrize("check_every", [2, 100])
def test_a_tuning_that_breaks_leaves_the_portrait_with_what_passed_last(
    bundle, portraits, monkeypatch, caplog, check_every
):
    change_of_views = Tuner._change_of_views

    def breaks(tuner, *args):
        error = change_of_views(tuner, *args)
        if tuner.schedule.step >= 4 and tuner.keys[tuner.index[0]] == portraits[0].record_id:
            error = error * torch.tensor([math.nan] + [1.0] * (len(error) - 1))
        return error

    monkeypatch.setattr(Tuner, "_change_of_views", breaks)
    options = {**TUNED, "steps": 8, "check_every": check_every}
    rows = make(bundle, options=options).invert(portraits)
    codes = make(bundle, method="w_plus").invert(portraits)
    assert [row.status for row in rows] == [Status.OK] * 3
    assert [row.steps for row in rows] == [20 + 4, 20 + 8, 20 + 8]
    np.testing.assert_array_equal(rows[0].w_plus, codes[0].w_plus)
    assert (rows[0].weights is not None) == (check_every == 2)
    assert rows[0].tuning == ("tuned" if check_every == 2 else "not finite")
    assert portraits[0].record_id in caplog.text
    assert "not finite after 4 steps" in caplog.text


def test_depth_is_compared_from_both_sides_and_from_above_and_below(bundle, portraits, monkeypatch):
    """The tuned and the untuned generator are rendered from the same cameras, a portrait's own."""
    tuner = Tuner(
        problem_of(bundle, portraits),
        make(bundle, method="w_plus", steps=1).method.run(problem_of(bundle, portraits)),
        options=TuningConfig(),
        bundle=bundle,
        seed=0,
        early_stop=True,
    )
    generator, seen = tuner.generator(), []
    render = type(generator).render

    def spy(rendered, planes, ws, camera, **options):
        seen.append((rendered, camera))
        return render(rendered, planes, ws, camera, **options)

    monkeypatch.setattr(type(generator), "render", spy)
    planes = generator.planes(tuner.pivots.ws).detach()
    for _ in range(40):
        tuner._change_of_views(generator, planes)
    untuned, tuned = (
        torch.stack([camera for rendered, camera in seen if rendered is one])
        for one in (bundle.generator, generator)
    )
    assert torch.equal(untuned, tuned)
    angles = torch.stack(camera_angles(tuned.flatten(0, 1)), 1).view(40, 3, 2)
    most = torch.tensor([tuner.options.yaw_rad, tuner.options.pitch_rad])
    for portrait in (angles / most).unbind(1):
        assert (portrait.mean(0).abs() < 0.3).all()
        assert (portrait.amin(0) < -0.8).all()
        assert (portrait.amax(0) > 0.8).all()
        assert portrait.abs().max() < 1.01
    assert len(angles[0].unique(dim=0)) == 3


@pytest.mark.slow
@pytest.mark.parametrize(("term", "picture"), [("depth", "image_depth"), ("colors", "image_raw")])
def test_what_holds_other_views_reaches_the_weights(bundle, portraits, term, picture):
    off = {**TUNED, "steps": 15, "depth": 0.0, "colors": 0.0}
    plain = make(bundle, options=off).invert(portraits)
    held = make(bundle, options={**off, term: 3000.0}).invert(portraits)
    side = look_at_camera(torch.full((3,), 0.3), torch.zeros(3))

    def moved(rows):
        codes = Codes.of(rows, bundle.generator).seen_from(side)
        tuned = getattr(PreparedGenerator(bundle.generator).render(codes), picture)
        base = getattr(bundle.generator.synthesize(codes.ws, codes.cameras), picture)
        return float((tuned - base).abs().mean())

    assert moved(held) < 0.7 * moved(plain)


@pytest.mark.parametrize("mode", ["none", "const"])
def test_a_generator_with_noise_is_tuned(mode):
    """Published generators add noise, and most of them leave it out in super-resolution."""
    bundle = tiny_bundle()
    bundle.generator = tiny_generator(use_noise=True, superresolution_noise=mode)
    portraits = own_samples(bundle, 2)[0]
    rows = make(bundle, options={**TUNED, "steps": 3}, steps=3).invert(portraits)
    for row in rows:
        assert row.status is Status.OK, row.error
        moved = set(WeightDelta.from_bytes(row.weights).changes)
        noise = {name for name in tuned_parameters(bundle.generator) if "noise_strength" in name}
        upper = {name for name in noise if name.startswith("superresolution")}
        assert upper
        assert noise & moved == (noise if mode == "const" else noise - upper)


def test_other_views_of_a_portrait_pull_at_its_weights_too(bundle, portraits):
    problem = problem_of(bundle, portraits)
    cameras = problem.cameras.clone()
    cameras[1, 16] = cameras[1, 20] = 0.0  # its code breaks, and it is not tuned
    first = replace(problem.targets[0], camera=cameras)
    side = look_at_camera(torch.full((3,), 0.3), torch.zeros(3))
    other = Target(problem.images.flip(3), side)
    method = make(bundle, options={**TUNED, "depth": 0.0}).method
    one, both = (
        method.run(Problem(targets, problem.keys)) for targets in ((first,), (first, other))
    )
    assert [bool(solution.failure) for solution in both] == [False, True, False]

    def distance(solution, row):
        codes = Codes(solution.w_plus[None], side[:1], (solution.delta,))
        image = PreparedGenerator(bundle.generator).render(codes).final_image
        return float((image - other.image[row, None]).square().mean())

    pivots = method.pivot.run(Problem((first, other), problem.keys))
    for row in (0, 2):
        np.testing.assert_array_equal(both[row].w_plus, pivots[row].w_plus)
        assert distance(both[row], row) < 0.9 * distance(pivots[row], row)
        assert distance(both[row], row) < distance(one[row], row)


def test_what_a_mask_hides_has_no_say_in_the_checks(bundle, portraits):
    problem = problem_of(bundle, portraits[:2])
    images, mask = problem.images, torch.ones(2, 1, 32, 32)
    mask[:, :, :, 20:] = 0
    tuner = Tuner(
        Problem((Target(images, problem.cameras, mask),), problem.keys),
        make(bundle, method="w_plus").method.run(problem),
        options=TuningConfig(),
        bundle=bundle,
        seed=0,
        early_stop=True,
    )
    seen = [torch.where(mask > 0, view.final_image, images) for view in tuner.check.untuned]
    distances = [bundle.perceptual.distance(image, images) for image in seen]
    torch.testing.assert_close(tuner.check.distances, torch.stack(distances).mean(0))
    beside = torch.where(mask > 0, images, -images)
    assert tuner._alike(beside).all()
    assert not tuner._alike(-images).any()


def test_options_are_checked_by_name(bundle):
    with pytest.raises(InvalidArgumentError, match=r"unknown key 'rnk'; known: .*rank"):
        make(bundle, options={"rnk": 4})
    assert isinstance(make(bundle).method.pivot, WPlusInversion)


@pytest.mark.parametrize("value", [[1.25, 0.8], [1, 1], [-1, 2], [float("nan"), 2]])
def test_a_range_of_depth_variance_that_nothing_meets_is_refused(value):
    config = InvertConfig(method="pti", methods={"pti": {"depth_variance": value}})
    with pytest.raises(InvalidArgumentError, match=r"pti.*depth_variance.*smallest < largest"):
        PivotalTuning.check(config)


def test_what_the_pivot_cannot_work_with_is_refused_before_models_are_loaded(bundle):
    config = InvertConfig(method="pti", start="encoder")
    with pytest.raises(MissingModelError, match="no encoder"):
        PivotalTuning.check(config, bundle)
    PivotalTuning.check(config, tiny_bundle(encoder=True))
    PivotalTuning.check(config)
