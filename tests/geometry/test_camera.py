"""Cameras, rays and plane axes against hand-computed values and their own inverses."""

import math

import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import (
    camera_angles,
    fov_to_focal,
    frontal_camera,
    look_at_camera,
    make_intrinsics,
    mirror_camera,
    pack_camera,
    unpack_camera,
)
from itportrait.geometry.orbit import FFHQ_ORBIT, Orbit
from itportrait.geometry.planes import PLANE_AXES
from itportrait.geometry.rays import box_limits, camera_rays
from itportrait.geometry.warp import project

FRONTAL = [1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 2.7, 0, 0, 0, 1]
FRONTAL += [4.2647, 0, 0.5, 0, 4.2647, 0.5, 0, 0, 1]


def random_cameras(count=20, seed=0):
    rng = torch.Generator().manual_seed(seed)
    yaw, pitch = (torch.rand(2, count, generator=rng) - 0.5) * torch.tensor([[2.4], [1.2]])
    return yaw, pitch, look_at_camera(yaw, pitch)


def test_frontal_camera_is_the_published_one():
    assert torch.equal(frontal_camera(), torch.tensor([FRONTAL]))
    assert torch.allclose(look_at_camera(0.0, 0.0), frontal_camera(), atol=1e-7)


def test_field_of_view_of_ffhq():
    assert fov_to_focal(18.837) == pytest.approx(3.0144, abs=1e-3)
    assert fov_to_focal(2 * math.degrees(math.atan(0.5 / FFHQ_ORBIT.focal))) == pytest.approx(
        FFHQ_ORBIT.focal
    )


def test_look_at_matches_the_golden_camera():
    # The second camera of the goldens: yaw 0.35, pitch -0.1.
    pose = unpack_camera(look_at_camera(0.35, -0.1))[0][0]
    expected = torch.tensor([0.92394572, 0.17188731, 2.5311615])
    assert torch.allclose(pose[:3, 3], expected, atol=1e-6)
    assert float(pose[0, 2]) == pytest.approx(-0.36759758, abs=1e-6)


def test_poses_are_rigid_and_look_at_the_pivot():
    poses = unpack_camera(random_cameras()[2])[0]
    rotation, position = poses[:, :3, :3], poses[:, :3, 3]
    assert torch.allclose(rotation @ rotation.transpose(1, 2), torch.eye(3), atol=1e-6)
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(20), atol=1e-5)
    to_pivot = torch.nn.functional.normalize(torch.tensor(FFHQ_ORBIT.pivot) - position, dim=1)
    assert torch.allclose(rotation[:, :, 2], to_pivot, atol=1e-6)
    assert torch.allclose(position.norm(dim=1), torch.full((20,), 2.7), atol=1e-5)


def test_angles_invert_look_at():
    yaw, pitch, cameras = random_cameras()
    found = camera_angles(cameras)
    assert torch.allclose(found[0], yaw, atol=1e-5)
    assert torch.allclose(found[1], pitch, atol=1e-5)


def test_signs_of_the_angles():
    right = unpack_camera(look_at_camera(0.5, 0.0))[0][0, :3, 3]
    below = unpack_camera(look_at_camera(0.0, 0.5))[0][0, :3, 3]
    assert float(right[0]) > 0
    assert float(below[1]) < 0


def test_mirror_turns_yaw_and_keeps_pitch():
    yaw, pitch, cameras = random_cameras()
    mirrored = mirror_camera(cameras)
    assert torch.allclose(mirrored, look_at_camera(-yaw, pitch), atol=1e-5)
    assert torch.allclose(mirror_camera(mirrored), cameras)


def test_mirror_mirrors_rays_of_skewed_intrinsics():
    pose = unpack_camera(look_at_camera(0.3, 0.1))[0]
    intrinsics = torch.tensor([[[4.0, 0.2, 0.45], [0.0, 4.4, 0.55], [0.0, 0.0, 1.0]]])
    camera = pack_camera(pose, intrinsics)
    directions = camera_rays(camera, 5)[1].view(5, 5, 3)
    mirrored = camera_rays(mirror_camera(camera), 5)[1].view(5, 5, 3)
    flip = torch.tensor([-1.0, 1.0, 1.0])
    assert torch.allclose(mirrored, directions.flip(1) * flip, atol=1e-6)


def test_a_mirrored_camera_sees_mirrored_points_at_mirrored_places():
    focal = make_intrinsics(torch.tensor([4.0]))
    focal[0, 0, 1], focal[0, 0, 2], focal[0, 1, 2] = 0.02, 0.47, 0.52
    camera = pack_camera(unpack_camera(look_at_camera(0.5, -0.2))[0], focal)
    points = 0.2 * torch.randn(1, 20, 3, generator=torch.Generator().manual_seed(0))
    places, z = project(points, camera)
    mirrored, mirrored_z = project(points * torch.tensor([-1.0, 1, 1]), mirror_camera(camera))
    expected = torch.stack([1 - places[..., 0], places[..., 1]], 2)
    torch.testing.assert_close(mirrored, expected)
    torch.testing.assert_close(mirrored_z, z)
    torch.testing.assert_close(mirror_camera(mirror_camera(camera)), camera)


def test_a_mirrored_camera_has_the_published_signs():
    camera = look_at_camera(0.5, -0.2)
    signs = torch.ones(25)
    signs[[1, 2, 3, 4, 8]] = -1
    torch.testing.assert_close(mirror_camera(camera), camera * signs)
    torch.testing.assert_close(mirror_camera(camera), look_at_camera(-0.5, -0.2))


def test_pack_and_unpack_invert_each_other():
    cameras = random_cameras()[2]
    assert torch.equal(pack_camera(*unpack_camera(cameras)), cameras)


def test_gradients_flow_through_look_at():
    yaw = torch.tensor([0.2], requires_grad=True)
    look_at_camera(yaw, 0.1).square().sum().backward()
    assert yaw.grad is not None
    assert torch.isfinite(yaw.grad).all()


def test_errors_name_the_remedy():
    with pytest.raises(InvalidArgumentError, match=r"\[N, 25\], got \[2, 16\]; pack it with"):
        unpack_camera(torch.zeros(2, 16))
    with pytest.raises(InvalidArgumentError, match="intrinsics must be"):
        pack_camera(torch.zeros(2, 4, 4), torch.zeros(2, 4, 4))


def test_rays_of_the_frontal_camera():
    origins, directions = camera_rays(frontal_camera(), 2)
    assert torch.allclose(origins, torch.tensor([0.0, 0.0, 2.7]).expand(1, 4, 3))
    # First pixel: left and up, so -x and +y of the world.
    offset = 0.25 / FFHQ_ORBIT.focal
    expected = torch.nn.functional.normalize(torch.tensor([-offset, offset, -1.0]), dim=0)
    assert torch.allclose(directions[0, 0], expected, atol=1e-6)
    assert torch.allclose(directions.norm(dim=2), torch.ones(1, 4))


def test_rays_project_back_to_their_pixels():
    pose = unpack_camera(look_at_camera(0.4, -0.2))[0]
    intrinsics = torch.tensor([[[3.0, 0.3, 0.4], [0.0, 5.0, 0.6], [0.0, 0.0, 1.0]]])
    directions = camera_rays(pack_camera(pose, intrinsics), 3)[1][0]
    pixels = (intrinsics[0] @ pose[0, :3, :3].T @ directions.T).T
    pixels = pixels[:, :2] / pixels[:, 2:]
    ticks = (torch.arange(3) + 0.5) / 3
    expected = torch.stack([ticks.repeat(3), ticks.repeat_interleave(3)], dim=1)
    assert torch.allclose(pixels, expected, atol=1e-5)


def test_box_limits():
    origins = torch.tensor([[0.0, 0.0, 2.0], [0.0, 0.0, 2.0], [0.6, 0.0, 2.0]])
    directions = torch.tensor([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]])
    near, far = box_limits(origins, directions, 1.0)
    assert float(near[0]) == 1.5
    assert float(far[0]) == 2.5
    assert bool((near[1:] >= far[1:]).all())


def test_plane_axes_are_pinned():
    assert PLANE_AXES["eg3d"] == ((0, 1), (0, 2), (2, 0))
    assert PLANE_AXES["corrected"] == ((0, 1), (0, 2), (1, 2))


def test_a_frontal_camera_of_another_family_looks_at_its_pivot():
    for orbit in (Orbit(5.0, 2.0, (0.0, 0.0, 1.0)), Orbit(5.0, 2.0, (0.3, -0.2, 0.0))):
        camera = frontal_camera(orbit)
        assert torch.allclose(camera, look_at_camera(0.0, 0.0, orbit), atol=1e-6)
        pose, intrinsics = unpack_camera(camera)
        local = pose[0, :3, :3].T @ (torch.tensor(orbit.pivot) - pose[0, :3, 3])
        assert torch.allclose(local[:2], torch.zeros(2), atol=1e-6)
        assert local[2] > 0
        assert intrinsics[0, 0, 0] == 2.0


def test_scales_are_exactly_one_for_ffhq():
    assert FFHQ_ORBIT.distance_scale == FFHQ_ORBIT.head_scale == 1.0
    closer = Orbit(FFHQ_ORBIT.radius, 2 * FFHQ_ORBIT.focal, FFHQ_ORBIT.pivot)
    assert closer.head_scale == pytest.approx(0.5)
    assert Orbit(27.0, FFHQ_ORBIT.focal, (0, 0, 2)).head_scale == pytest.approx(10.0)
