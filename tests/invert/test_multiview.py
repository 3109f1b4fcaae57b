"""Pseudo-views of portraits, and the tuning to them."""

from dataclasses import replace

import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import camera_angles
from itportrait.image import to_tensor
from itportrait.invert import InvertConfig, Inverter
from itportrait.invert.multiview import MultiviewTuning
from itportrait.invert.neighbors import Model
from itportrait.invert.problem import Problem, Solution
from itportrait.records import Status
from itportrait.styles.generators import tuned
from tests.helpers.tiny_family import own_samples, tiny_bundle

QUICK = {"steps": 4, "early_stop": False, "statistics_samples": 256, "tune": "always"}
TUNED = {
    "steps": 6,
    "first_steps": 3,
    "near_views": 2,
    "wide_views": 2,
    "lr": 0.01,
    "side_loss": 100,
    "depth_variance": [0, 100],
}


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture(scope="module")
def samples(bundle):
    """Pictures of the generator in another color, with the codes that drew their shapes."""
    records, ws = own_samples(bundle, 3)
    for record in records:
        record.pixels[:, :, 0] = 255 - record.pixels[:, :, 0]
    return records, ws


def config_of(method="multiview", options=TUNED, **settings):
    return InvertConfig.parse({**QUICK, "method": method, "methods": {method: options}, **settings})


def problem_of(samples):
    records, ws = samples
    images = torch.stack([to_tensor(record.pixels) for record in records])
    cameras = torch.stack([torch.as_tensor(record.camera) for record in records])
    keys = tuple(record.record_id for record in records)
    solutions = [
        Solution(code, camera, steps=0, seconds=0.0)
        for code, camera in zip(ws, cameras, strict=True)
    ]
    return Problem.of(images, cameras, keys), solutions


def pseudo_views(bundle, samples, *, rows=None, mask=None, image=None, **options):
    problem, solutions = problem_of(samples)
    portraits = problem.targets[0]
    portraits = replace(portraits, mask=mask, image=portraits.image if image is None else image)
    rows = torch.arange(len(solutions)) if rows is None else torch.tensor(rows)
    problem = Problem((portraits.keep(rows),), tuple(problem.keys[int(row)] for row in rows))
    method = MultiviewTuning(config_of(options={**TUNED, **options}), bundle)
    return method.pseudo_views(problem, [solutions[int(row)] for row in rows], bundle.generator)


def renders_of(bundle, samples, views):
    model = Model(bundle.generator, samples[1])
    return [model.picture(view.camera) for view in views]


def test_pseudo_views_show_the_portrait_where_it_is_seen_and_else_the_render(bundle, samples):
    wide = {"warp": {"full_turn_rad": 1.0, "last_turn_rad": 1.5, "tolerance": 0.2}}
    near, *_ = views = pseudo_views(bundle, samples, near_yaw_rad=0.1, **wide)
    render, *_ = renders_of(bundle, samples, views)
    generator = bundle.generator
    assert len(views) == 4
    same = (near.image == render).all(1)
    assert 0 < same.float().mean() < 1
    image = problem_of(samples)[0].images
    # Red is inverted in the portraits, so what was taken from them is near them and not the render.
    taken = near.image[:, 0][~same]
    assert (taken - image[:, 0][~same]).abs().mean() < (taken - render[:, 0][~same]).abs().mean()
    assert generator.image_resolution == near.image.shape[-1]


def test_cameras_of_pseudo_views_are_at_both_sides(bundle, samples):
    views = pseudo_views(bundle, samples, near_views=12, wide_views=12)
    yaws = torch.stack([camera_angles(view.camera)[0] for view in views])
    own = camera_angles(problem_of(samples)[0].cameras)[0]
    near, wide = yaws[:12] - own, yaws[12:]
    for turns, limit in ((near, 0.4), (wide, 0.9)):
        assert (turns.amax(0) > 0.3 * limit).all()
        assert (turns.amin(0) < -0.3 * limit).all()


def test_pseudo_views_do_not_depend_on_batch_mates(bundle, samples):
    together = pseudo_views(bundle, samples)
    for view, alone in zip(together, pseudo_views(bundle, samples, rows=[1]), strict=True):
        torch.testing.assert_close(view.camera[1:2], alone.camera)
        torch.testing.assert_close(view.image[1:2], alone.image, atol=1e-3, rtol=0)


def test_what_a_mask_hides_is_never_shown(bundle, samples):
    image = problem_of(samples)[0].images
    mask = torch.ones_like(image[:, :1])
    mask[..., 8:24] = 0
    for fill in (0.0, 1.0):
        covered = torch.where(mask > 0, image, fill)
        views = pseudo_views(bundle, samples, mask=mask, image=covered)
        if fill == 0.0:
            first = views
    for view, other in zip(first, views, strict=True):
        assert (view.image - other.image).abs().max() < 0.2  # at the mask's edge: interpolation


@pytest.mark.parametrize("refine", [True, False])
def test_a_portrait_is_tuned_with_its_camera_refined_or_not(bundle, samples, refine):
    inverter = Inverter(config_of(refine_camera=refine), bundle)
    for row, portrait in zip(inverter.invert(samples[0][:2]), samples[0], strict=False):
        assert row.status is Status.OK
        assert row.tuning == "tuned"
        assert row.steps == 4 + 3 + 6
        assert bool((row.camera != portrait.camera).any()) == refine


def test_never_and_auto_are_heeded(bundle, samples):
    plain = Inverter(config_of("w_plus", {}, tune="auto"), bundle).invert(samples[0][:1])[0]
    for settings, said in (
        ({"tune": "never"}, None),
        ({"tune": "auto", "good_perceptual": 100, "good_identity": -1}, "good without"),
    ):
        row = Inverter(config_of(**settings), bundle).invert(samples[0][:1])[0]
        assert row.weights is None
        assert row.tuning == said
        assert (row.w_plus == plain.w_plus).all()


@pytest.mark.slow
def test_views_from_aside_hold_where_tuning_to_the_portrait_alone_loses_them(bundle, samples):
    """The first generator's side is what wide views ask for; without views it drifts."""
    problem, solutions = problem_of(samples)
    drift = {}
    for name, changes in (
        ("none", {"near_views": 0, "wide_views": 0}),
        ("wide", {"near_views": 0, "wide_views": 4, "view_weight": 3}),
    ):
        options = {**TUNED, "first_steps": 0, "steps": 12, "depth": 0, **changes}
        method = MultiviewTuning(config_of(options=options), bundle)
        found = method.tune(problem, solutions)
        views = pseudo_views(bundle, samples, near_views=0, wide_views=4)
        total = 0.0
        for row, solution in enumerate(found):
            model = Model(tuned(bundle.generator, [solution.delta]), solution.w_plus[None])
            for view in views:
                shown = model.picture(view.camera[row : row + 1])
                total += float((shown - view.image[row : row + 1]).square().mean())
        drift[name] = total
    assert drift["wide"] < 0.8 * drift["none"]


def test_settings_are_checked_by_name():
    with pytest.raises(InvalidArgumentError, match=r"unknown key 'near'; known: .*near_views"):
        MultiviewTuning.check(config_of(options={"near": 4}))


def test_its_weights_count_in_the_size_of_shards():
    assert MultiviewTuning.weights_mb(config_of(options={**TUNED, "rank": 4})) == pytest.approx(0.4)
    assert MultiviewTuning.weights_mb(config_of(tune="never")) == 0
