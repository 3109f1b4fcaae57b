"""The native distance function against its definition, and the definition against arithmetic."""

import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.ops.loader import NativeOpError, absence
from itportrait.portraits import HELD_OUT_SEED, build_face, sample_people
from itportrait.portraits.head_sdf import (
    GROUPS,
    Head,
    head_distance,
    head_light,
    head_normals,
    trace_head,
)
from itportrait.portraits.head_sdf.cpu import SOURCE
from itportrait.portraits.head_sdf.reference import EllipsoidGroup, point_features

native = pytest.mark.skipif(bool(absence(SOURCE)), reason=f"native op {absence(SOURCE)}")
NEAR, FAR = 7.0, 13.3


@pytest.fixture(scope="module", params=[("photo", 0), ("photo", 3), ("clown", 1), ("alien", 2)])
def head(request) -> Head:
    domain, index = request.param
    return build_face(sample_people(4, HELD_OUT_SEED)[index], domain).head


def near_surface(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(count, 3, generator=generator)
    directions /= directions.norm(dim=1, keepdim=True)
    return directions * (0.7 + 0.6 * torch.rand(count, 1, generator=generator))


def grid_rays(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    steps = (torch.arange(size) + 0.5) / size - 0.5
    y, x = torch.meshgrid(-steps, steps, indexing="ij")
    rays = torch.stack([x / 4.26, y / 4.26, -torch.ones_like(x)], 2)
    return torch.tensor([0.0, -0.3, 10.3]), rays / rays.norm(dim=2, keepdim=True)


def test_one_sphere_has_its_own_distance():
    sphere = EllipsoidGroup(
        shape=torch.tensor([[4.0, 4, 4, 0, 0, 0, 0, 0, 0, 0]]).T,
        gradient=torch.tensor([[16.0, 16, 16, 0, 0, 0, 0, 0, 0, 0]]).T,
        bounds=torch.tensor([[0.0, 0, 0, 0.5]]),
        sharpness=10.0,
    )
    points = torch.tensor([[1.0, 0, 0], [0, 0.5, 0], [0, 0, 0.25], [0.6, 0.8, 0]])
    expected = torch.tensor([0.5, 0.0, -0.25, 0.5])
    torch.testing.assert_close(sphere.distance(point_features(points)), expected)


def test_groups_lie_where_they_belong(head: Head):
    s = head.scalars
    points = torch.tensor(
        [
            [0.0, -0.5, 0.0],  # inside the jaw
            [s.eye_x, s.eye_y + 0.05, s.eye_z],  # in an eye; at its very center 0 is divided by 0
            [0.0, -2.1, 0.0],  # chest
            [0.0, 5.0, 0.0],  # far above
        ]
    )
    distance = head_distance(points, head, backend="reference")
    assert distance.shape == (4, len(GROUPS))
    assert distance[0, GROUPS.index("skin")] < -0.2
    assert distance[1, GROUPS.index("eyes")] < -0.1
    assert distance[2, GROUPS.index("cloth")] < -0.1
    assert (distance[3] > 1.0).all()


@native
@pytest.mark.parametrize("count", [1, 15, 17, 1003])
def test_native_distances_equal_the_reference(head: Head, count: int):
    points = near_surface(count)
    found = head_distance(points, head, backend="cpu")
    expected = head_distance(points, head, backend="reference")
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@native
def test_native_takes_views_of_other_strides(head: Head):
    wide = near_surface(64).repeat(1, 2)
    points = wide[::2, 1:4]
    assert not points.is_contiguous()
    found = head_distance(points, head, backend="cpu")
    expected = head_distance(points, head, backend="reference")
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@native
def test_native_of_nothing_is_nothing(head: Head):
    assert head_distance(torch.empty(0, 3), head, backend="cpu").shape == (0, len(GROUPS))


@native
def test_native_rays_normals_and_light_equal_the_reference(head: Head):
    origin, rays = grid_rays(19)  # not a multiple of the tile
    depth, hit = trace_head(head, origin, rays, near=NEAR, far=FAR, backend="cpu")
    depth_ref, hit_ref = trace_head(head, origin, rays, near=NEAR, far=FAR, backend="reference")
    assert (hit == hit_ref).float().mean() > 0.98  # grazing rays may differ
    both = hit & hit_ref
    assert both.float().mean() > 0.3
    off = (depth - depth_ref).abs()[both]
    assert off.median() < 1e-3
    assert off.quantile(0.98) < 0.02
    points = (origin + rays * depth[..., None])[both]
    normals = head_normals(points, head, backend="cpu")
    expected = head_normals(points, head, backend="reference")
    assert (normals * expected).sum(1).quantile(0.02) > 0.999
    light = torch.tensor([0.4, 0.6, 0.69])
    for a, b in zip(
        head_light(points, normals, light, head, backend="cpu"),
        head_light(points, normals, light, head, backend="reference"),
        strict=True,
    ):
        assert ((a >= 0) & (a <= 1)).all()
        assert (a - b).abs().mean() < 2e-3


def test_hits_lie_on_the_surface(head: Head):
    origin, rays = grid_rays(24)
    depth, hit = trace_head(head, origin, rays, near=NEAR, far=FAR)
    points = (origin + rays * depth[..., None])[hit]
    off = head_distance(points, head, backend="reference").amin(1).abs()
    assert off.quantile(0.95) < 0.004


def test_wrong_shapes_and_backends_are_refused(head: Head):
    with pytest.raises(InvalidArgumentError, match=r"\[N, 3\]"):
        head_distance(torch.zeros(3), head)
    with pytest.raises(InvalidArgumentError, match=r"\[H, W, 3\]"):
        trace_head(head, torch.zeros(3), torch.zeros(4, 3), near=NEAR, far=FAR)
    with pytest.raises(InvalidArgumentError, match="backend"):
        head_distance(torch.zeros(1, 3), head, backend="cuda")  # type: ignore[arg-type]
    with pytest.raises(NativeOpError, match="float64"):
        head_distance(torch.zeros(1, 3, dtype=torch.float64), head, backend="cpu")


def test_other_dtypes_use_the_reference(head: Head):
    tables = head.tables
    assert head_distance(torch.zeros(1, 3), Head(tables)).dtype == torch.float32
