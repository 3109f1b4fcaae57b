"""Camera corrections: exact identity, the named motions, gradients."""

import math

import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import camera_angles, look_at_camera, unpack_camera
from itportrait.geometry.orbit import FFHQ_ORBIT, Orbit
from itportrait.invert.camera import CORRECTIONS, EXPECTED_ERROR, correct_camera


def camera():
    return look_at_camera(torch.tensor([0.3, -0.5]), torch.tensor([0.1, -0.2]))


def correction(**values):
    row = [values.get(name, 0.0) / error for name, error in zip(CORRECTIONS, EXPECTED_ERROR)]
    return torch.tensor([row, row])


def test_no_correction_leaves_the_camera_alone():
    torch.testing.assert_close(correct_camera(camera(), correction()), camera())


def test_yaw_turns_about_the_face():
    moved = correct_camera(camera(), correction(yaw=0.1))
    distance = [
        (unpack_camera(c)[0][:, :3, 3] - torch.tensor(FFHQ_ORBIT.pivot)).norm(dim=1)
        for c in (camera(), moved)
    ]
    torch.testing.assert_close(distance[0], distance[1])
    change = camera_angles(moved)[0] - camera_angles(camera())[0]
    # About the pivot and not the origin: slightly less than the angle itself.
    assert change.tolist() == pytest.approx([0.1, 0.1], rel=0.1)
    assert camera_angles(moved)[1].tolist() == pytest.approx(
        camera_angles(camera())[1].tolist(), abs=1e-2
    )


def test_pitch_moves_the_camera_up_or_down_and_keeps_its_yaw():
    moved = correct_camera(camera(), correction(pitch=0.05))
    assert camera_angles(moved)[0].tolist() == pytest.approx([0.3, -0.5], abs=0.02)
    change = camera_angles(moved)[1] - camera_angles(camera())[1]
    # `camera_angles` measures pitch by height: pi / 2 times the angle near the equator.
    assert change.abs().tolist() == pytest.approx([0.05 * math.pi / 2] * 2, rel=0.15)


def test_roll_and_shift_keep_the_direction_of_view():
    pose = unpack_camera(camera())[0]
    rolled = unpack_camera(correct_camera(camera(), correction(roll=0.2)))[0]
    shift = correction(shift_x=0.01, shift_y=-0.02, shift_z=0.03)
    shifted = unpack_camera(correct_camera(camera(), shift))[0]
    for other in (rolled, shifted):
        torch.testing.assert_close(other[:, :3, 2], pose[:, :3, 2])
    turn = (rolled[:, :3, 0] * pose[:, :3, 0]).sum(1)
    assert turn.tolist() == pytest.approx([math.cos(0.2)] * 2, abs=1e-5)
    moved = shifted[:, :3, 3] - pose[:, :3, 3]
    expected = 0.01 * pose[:, :3, 0] - 0.02 * pose[:, :3, 1] + 0.03 * pose[:, :3, 2]
    torch.testing.assert_close(moved, expected, atol=1e-6, rtol=1e-4)


def test_corrected_poses_stay_rigid_and_pass_gradients():
    values = torch.randn(2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    base = camera().double()
    rotation = unpack_camera(correct_camera(base, values))[0][:, :3, :3]
    eye = torch.eye(3, dtype=torch.float64).expand(2, 3, 3)
    torch.testing.assert_close(rotation @ rotation.mT, eye, atol=1e-6, rtol=0)
    values.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: correct_camera(base, v), values)


def test_wrong_shape_is_refused():
    with pytest.raises(InvalidArgumentError, match="pack_camera"):
        correct_camera(torch.zeros(2, 16), torch.zeros(2, 6))


def test_shifts_grow_with_the_family_s_world():
    world = Orbit(27.0, FFHQ_ORBIT.focal, (0.0, 0.0, 2.0))
    shift = correction(shift_x=1.0, shift_z=1.0)
    start = look_at_camera(torch.tensor([0.3, -0.5]), torch.tensor([0.1, -0.2]), world)
    moved = unpack_camera(correct_camera(start, shift, world))[0] - unpack_camera(start)[0]
    usual = unpack_camera(correct_camera(camera(), shift))[0] - unpack_camera(camera())[0]
    torch.testing.assert_close(moved, 10 * usual, atol=1e-4, rtol=1e-4)
