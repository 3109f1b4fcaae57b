"""Stylizing with styles whose effect is known: a bias on the output's red channel."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from itportrait.errors import InvalidArgumentError, UnknownNameError
from itportrait.geometry.camera import look_at_camera
from itportrait.geometry.orbit import FFHQ_ORBIT
from itportrait.image import to_tensor, to_uint8
from itportrait.records import InvertedRecord, RecordError, Status
from itportrait.styles import WeightStyle
from itportrait.stylize import (
    NonFiniteRenderError,
    StyleTarget,
    StylizeConfig,
    Stylizer,
    turntable_cameras,
)
from tests.helpers.tiny_family import own_samples, tint, tiny_bundle, tiny_generator


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture(scope="module")
def rows(bundle):
    """Return `(aligned, inverted)` of three of the generator's own pictures, with true codes."""
    aligned, ws = own_samples(bundle, 3)
    inverted = [
        InvertedRecord(
            record_id=record.record_id, camera=record.camera, w_plus=code.flatten().numpy()
        )
        for record, code in zip(aligned, ws, strict=True)
    ]
    return aligned, inverted


def make(bundle, **settings):
    red = StyleTarget(prompt="red", source_prompt="green", references=torch.ones(2, 3, 8, 8))
    return Stylizer(
        StylizeConfig.parse({"views_deg": [[-20, 0], [20, 5]], **settings}),
        bundle,
        {"red": tint(bundle, 0), "blue": tint(bundle, 2)},
        targets={"red": red},
        versions={"red": "v3"},
    )


def test_own_view_comes_first_and_carries_the_tint(bundle, rows):
    aligned, inverted = rows
    made = make(bundle).stylize(aligned, inverted, "red")
    for row, photo in zip(made, aligned, strict=True):
        assert row.status is Status.OK
        assert (row.domain, row.version, row.views) == ("red", "v3", 3)
        assert len(row.pixels) == 3
        change = row.pixels[0].astype(float) - photo.pixels
        # 0.6 in [-1, 1] is 76 of 255, less what the top cuts off.
        open_pixels = photo.pixels[..., 0] < 170
        assert change[..., 0][open_pixels].mean() == pytest.approx(76.5, abs=2)
        assert np.abs(change[..., 1:]).max() <= 1


def test_rows_say_where_the_cameras_of_their_views_stand(bundle, rows):
    aligned, inverted = rows
    turned = look_at_camera(0.3, -0.1, bundle.orbit)[0].numpy()
    inverted = [inverted[0], replace(inverted[1], camera=turned)]
    made = make(bundle, metrics=False).stylize(aligned[:2], inverted, "red")
    for row in made:
        np.testing.assert_array_equal(row.yaw_deg[1:], [-20, 20])
        np.testing.assert_array_equal(row.pitch_deg[1:], [0, 5])
    own = np.rad2deg([0.3, -0.1])
    np.testing.assert_allclose([made[1].yaw_deg[0], made[1].pitch_deg[0]], own, atol=1e-3)
    alone = make(bundle, views_deg=[], metrics=False).stylize(aligned[:1], inverted[:1], "red")
    np.testing.assert_array_equal(alone[0].yaw_deg, made[0].yaw_deg[:1])


def test_strength_scales_and_zero_is_the_base(bundle, rows):
    aligned, inverted = rows
    base = make(bundle, strength=0.0).stylize(aligned, inverted, "red")[0]
    half = make(bundle, strength=0.5).stylize(aligned, inverted, "red")[0]
    full = make(bundle).stylize(aligned, inverted, "red")[0]
    assert np.abs(base.pixels[0].astype(int) - aligned[0].pixels).max() <= 1
    middle = (base.pixels[1].astype(float) + full.pixels[1]) / 2
    dark = full.pixels[1][..., 0] < 255
    assert np.abs(half.pixels[1] - middle)[dark].max() <= 1.5


def test_metrics_are_those_of_the_own_view(bundle, rows):
    aligned, inverted = rows
    red = make(bundle).stylize(aligned, inverted, "red")
    for row in red:
        assert row.clip_direction > 0
        assert -1 <= row.clip_image <= 1
        assert row.identity <= 1
        assert row.depth_distance == pytest.approx(0, abs=1e-6)
        assert row.depth_variance == pytest.approx(1, abs=1e-4)
        assert row.seconds > 0
    blue = make(bundle).stylize(aligned, inverted, "blue")[0]
    assert blue.clip_direction is None
    assert blue.clip_image is None
    assert blue.version == "local"
    assert make(bundle, metrics=False).stylize(aligned, inverted, "red")[0].identity is None


def test_result_does_not_depend_on_batch_mates(bundle, rows):
    aligned, inverted = rows
    together = make(bundle, batch_size=3).stylize(aligned, inverted, "red")
    alone = make(bundle, batch_size=1).stylize(aligned, inverted, "red")
    for one, two in zip(together, alone, strict=True):
        for a, b in zip(one.pixels, two.pixels, strict=True):
            assert np.abs(a.astype(int) - b).max() <= 1
        assert one.identity == pytest.approx(two.identity, abs=1e-3)


def test_rows_for_all_whatever_comes(bundle, rows):
    aligned, inverted = rows
    error = RecordError("invert", "NonFiniteError", "loss not finite")
    bad = [
        inverted[0],
        replace(inverted[1], status=Status.FAILED, error=error, w_plus=None),
        replace(inverted[2], w_plus=np.zeros(7, np.float32)),
    ]
    made = make(bundle).stylize(aligned, bad, "red")
    assert [str(row.status) for row in made] == ["ok", "failed", "failed"]
    assert made[1].error == error
    assert made[2].error.stage == "stylize"
    assert "invert with the same bundle" in made[2].error.message
    poison = replace(inverted[0], w_plus=np.full_like(inverted[0].w_plus, np.nan))
    row = make(bundle, metrics=False).stylize(aligned[:1], [poison], "red")[0]
    assert row.error.type == "NonFiniteRenderError"


def test_misuse_is_refused(bundle, rows):
    aligned, inverted = rows
    with pytest.raises(UnknownNameError, match="known: blue, red"):
        make(bundle).stylize(aligned, inverted, "green")
    with pytest.raises(InvalidArgumentError, match="in the order of"):
        make(bundle).stylize(aligned[::-1], inverted, "red")
    foreign = WeightStyle("red", "another-model", {})
    with pytest.raises(InvalidArgumentError, match="another-model"):
        Stylizer(StylizeConfig(), bundle, {"red": foreign})


def test_turntable_is_a_loop_of_the_domain(bundle, rows):
    stylizer = make(bundle)
    frames = stylizer.turntable(rows[1][0], "red", frames=6)
    plain = stylizer.turntable(rows[1][0], None, frames=6)
    assert frames.shape == (6, 32, 32, 3)
    assert frames[..., 0].mean() > plain[..., 0].mean() + 20
    assert not np.array_equal(frames[0], frames[2])
    cameras = turntable_cameras(8, FFHQ_ORBIT, yaw_deg=30, pitch_deg=0)
    position = cameras.view(8, 25)[:, 3]  # x of the camera
    assert position.argmax() == 2
    assert position.argmin() == 6


def test_depth_is_that_of_the_own_view_and_empty_where_light_passes(bundle, rows):
    record = rows[1][0]
    depth = make(bundle).depth_map(record, "red")
    code, camera = torch.from_numpy(record.w_plus), torch.from_numpy(record.camera)[None]
    plain = bundle.generator.synthesize(code.view(1, bundle.generator.num_ws, -1), camera)
    expected = plain.image_depth.where(plain.image_alpha >= 0.5, torch.zeros(1))
    assert depth.shape == (8, 8)
    np.testing.assert_allclose(depth, expected[0, 0].numpy(), atol=1e-5)
    poison = replace(record, w_plus=np.full_like(record.w_plus, np.nan))
    with pytest.raises(NonFiniteRenderError, match="depths not finite"):
        make(bundle).depth_map(poison, None)


def test_interpolation_runs_from_one_domain_to_the_other(bundle, rows):
    stylizer = make(bundle, views_deg=[])
    record = rows[1][0]
    frames = stylizer.interpolate(record, "red", "blue", 5).astype(float)
    ends = [stylizer.stylize(rows[0][:1], [record], name)[0].pixels[0] for name in ("red", "blue")]
    assert np.abs(frames[0] - ends[0]).max() <= 1
    assert np.abs(frames[-1] - ends[1]).max() <= 1
    red, blue = frames[..., 0].mean((1, 2)), frames[..., 2].mean((1, 2))
    assert (np.diff(red) < 0).all()
    assert (np.diff(blue) > 0).all()
    from_base = stylizer.interpolate(record, None, "blue", 3)
    code = torch.from_numpy(record.w_plus).view(1, bundle.generator.num_ws, -1)
    base = bundle.generator.synthesize(code, torch.from_numpy(record.camera)[None]).image
    assert np.abs(from_base[0].astype(int) - to_uint8(base)[0]).max() <= 1
    assert to_tensor(from_base[-1]).shape == (3, 32, 32)


def test_portraits_go_their_ways_together_as_each_alone(bundle, rows):
    stylizer = make(bundle, views_deg=[])
    together = stylizer.interpolate_all(rows[1], None, "blue", 3).astype(int)
    assert together.shape[:2] == (len(rows[1]), 3)
    for record, film in zip(rows[1], together, strict=True):
        assert np.abs(film - stylizer.interpolate(record, None, "blue", 3)).max() <= 1


def test_the_head_is_found_from_far_away(bundle, rows):
    rendering = bundle.generator.config.rendering.model_dump()
    rays = {"ray_start": "auto", "ray_end": "auto", "depth_resolution": 32}
    far_sighted = copy.copy(bundle)
    far_sighted.generator = tiny_generator(rendering={**rendering, **rays})
    stylizer, record = make(far_sighted), rows[1][0]
    moved = record.camera.copy()
    moved[[3, 7, 11, 16, 20]] *= 1.8  # further away, and as much longer a lens
    usual = stylizer.head_mask(record, None)
    assert usual.max() > 0.9
    seen = stylizer.head_mask(replace(record, camera=moved), None)
    np.testing.assert_allclose(seen, usual, atol=0.05)
