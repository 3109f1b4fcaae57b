"""Inversion with the mirror image, in the code's optimization and in tuning."""

import numpy as np
import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import camera_angles, look_at_camera, mirror_camera
from itportrait.image import to_tensor, to_uint8
from itportrait.invert import InvertConfig, Inverter
from itportrait.invert.problem import Problem, Solution
from itportrait.invert.symmetry import SymmetryTuning
from itportrait.records import AlignedRecord, Status
from tests.helpers.tiny_family import own_samples, tiny_bundle

QUICK = {"steps": 4, "early_stop": False, "statistics_samples": 256, "tune": "always"}
TUNED = {
    "steps": 5,
    "neighbors": 2,
    "light_cells": 8,
    "lr": 0.01,
    "side_loss": 100,
    "depth_variance": [0, 100],
}
YAWS = torch.tensor([0.5, -0.45, 0.05])


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture(scope="module")
def samples(bundle):
    """Pictures of the generator in another color: two turned ones, and one that is not."""
    ws = own_samples(bundle, 3)[1]
    cameras = look_at_camera(YAWS, 0.0)
    pixels = to_uint8(bundle.generator.synthesize(ws, cameras).image)
    pixels[:, :, :, 0] = 255 - pixels[:, :, :, 0]
    records = [
        AlignedRecord(
            record_id=f"s{row}", uri=f"memory://{row}", pixels=pixels[row], camera=camera.numpy()
        )
        for row, camera in enumerate(cameras)
    ]
    return records, ws


def config_of(method="symmetry", options=TUNED, **settings):
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


def test_neighbors_lie_beside_the_portrait_and_beside_its_mirror_image(bundle, samples):
    method = SymmetryTuning(config_of(options={**TUNED, "neighbors": 8}), bundle)
    views = method.neighbors(*problem_of(samples))
    own, mirrored = views[0::2], views[1::2]
    assert len(own) == len(mirrored) == 8
    for one, other in zip(own, mirrored, strict=True):
        torch.testing.assert_close(other.camera, mirror_camera(one.camera))
    turns = torch.stack([camera_angles(view.camera)[0] - YAWS for view in own])
    assert (turns.amax(0) > 0.05).all()
    assert (turns.amin(0) < -0.05).all()
    assert turns.abs().max() < 0.35


def test_mirrored_neighbors_count_by_yaw_and_frontal_ones_not_at_all(bundle, samples):
    one, other = SymmetryTuning(config_of(), bundle).neighbors(*problem_of(samples))[:2]
    assert bool((one.weight == 1).all())
    assert 0.4 < float(other.weight[1]) < float(other.weight[0]) < 0.5
    assert float(other.weight[2]) == 0


def test_neighbors_do_not_depend_on_batch_mates(bundle, samples):
    problem, solutions = problem_of(samples)
    method, row = SymmetryTuning(config_of(), bundle), torch.tensor([1])
    alone = Problem((problem.targets[0].keep(row),), problem.keys[1:2])
    for view, single in zip(
        method.neighbors(problem, solutions), method.neighbors(alone, solutions[1:2]), strict=True
    ):
        torch.testing.assert_close(view.camera[1:2], single.camera)
        torch.testing.assert_close(view.mask[1:2], single.mask)
        torch.testing.assert_close(view.image[1:2], single.image, atol=1e-3, rtol=0)


def test_the_mirror_image_takes_part_in_the_code_of_turned_portraits_alone(bundle, samples):
    problem, _ = problem_of(samples)
    with_it, without = (
        SymmetryTuning(config_of(options={**TUNED, "code_mirror": factor}), bundle).codes(problem)
        for factor in (2, 0)
    )
    moved = [
        float((a.w_plus - b.w_plus).abs().max()) for a, b in zip(with_it, without, strict=True)
    ]
    assert min(moved[:2]) > 1e-2
    assert moved[2] < 1e-4


@pytest.mark.parametrize("refine", [True, False])
def test_a_portrait_is_tuned_with_its_camera_refined_or_not(bundle, samples, refine):
    inverter = Inverter(config_of(refine_camera=refine), bundle)
    for row, portrait in zip(inverter.invert(samples[0][:2]), samples[0], strict=False):
        assert row.status is Status.OK
        assert row.tuning == "tuned"
        assert bool((row.camera != portrait.camera).any()) == refine


def test_a_frontal_portrait_is_inverted_as_without_the_prior(bundle, samples):
    """Of weight 0, the mirror image leaves the code as `w_plus` finds it."""
    portrait = samples[0][2:]
    row = Inverter(config_of(tune="never"), bundle).invert(portrait)[0]
    plain = Inverter(config_of("w_plus", {}, tune="auto"), bundle).invert(portrait)[0]
    np.testing.assert_allclose(row.w_plus, plain.w_plus, atol=1e-5)
    assert row.weights is None


def test_settings_are_checked_by_name():
    with pytest.raises(InvalidArgumentError, match=r"unknown key 'mirror'; known: .*mirror_weight"):
        SymmetryTuning.check(config_of(options={"mirror": 4}))
