"""Terms of the fit, by values worked out by hand."""

import math

import pytest
import torch

from itportrait.editing.clipstyler.losses import (
    Patches,
    content_loss,
    homographies,
    patch_loss,
    seen_patches,
    total_variation,
)


def test_patches_below_the_threshold_count_as_zero_in_the_mean():
    direction = torch.tensor([2.0, 0.0])
    cosines = torch.tensor([[0.5, 0.0, -1.0, 0.3]], requires_grad=True)  # losses 0.5, 1, 2, 0.7
    change = torch.stack([cosines, (1 - cosines.detach() ** 2).sqrt()], -1)
    loss = patch_loss(change, direction, 0.701)
    assert float(loss.detach()) == pytest.approx((1 + 2) / 4)
    assert float(patch_loss(change.detach(), direction, 0.0)) == pytest.approx(
        (0.5 + 1 + 2 + 0.7) / 4
    )
    loss.backward()
    assert [bool(value) for value in cosines.grad[0]] == [False, True, False, False]


def test_total_variation_is_the_sum_of_four_norms():
    image = torch.tensor([[0.0, 1.0], [0.0, 1.0]]).expand(1, 3, 2, 2) * 2 - 1
    # Of three colors: two differences to the right, none below, one on each diagonal.
    assert float(total_variation(image)) == pytest.approx(math.sqrt(6) + 0 + 2 * math.sqrt(3))
    flat = torch.zeros(1, 3, 4, 4, requires_grad=True)
    total_variation(flat).sum().backward()
    assert bool(torch.isfinite(flat.grad).all())


def test_content_is_the_sum_of_the_maps_mean_squares():
    maps = [torch.zeros(2, 1, 2, 2), torch.zeros(2, 3, 1, 1)]
    others = [maps[0] + torch.tensor([1.0, 2.0])[:, None, None, None], maps[1] + 3]
    assert content_loss(others, maps).tolist() == [1 + 9, 4 + 9]


def test_a_homography_takes_its_points_where_it_should():
    points = torch.tensor([[[-0.5, -1.0], [1.0, -0.75], [0.8, 0.9], [-1.0, 0.6]]])
    images = torch.tensor([[[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]])
    moved = torch.einsum("pij,pnj->pni", homographies(points, images), _homogeneous(points))
    torch.testing.assert_close(moved[..., :2] / moved[..., 2:], images, atol=1e-5, rtol=0)


def _homogeneous(points):
    return torch.cat([points, torch.ones_like(points[..., :1])], -1)


def test_patches_without_distortion_are_pieces_of_their_picture():
    side = torch.arange(8.0).expand(8, 8)
    image = torch.stack([side, side.T, 0 * side])[None].repeat(2, 1, 1, 1)
    image[1] += 100
    corners = torch.tensor([[-0.5, 0.5], [0.5, -0.5]])  # middles of two quarters
    patches = Patches(corners, torch.eye(3).expand(2, 3, 3), 0.5)
    seen = seen_patches(image, [patches, patches])
    assert seen.shape == (4, 3, 4, 4)
    torch.testing.assert_close(seen[0], image[0, :, 4:, :4])
    torch.testing.assert_close(seen[1], image[0, :, :4, 4:])
    torch.testing.assert_close(seen[2], image[1, :, 4:, :4])


def test_black_lies_around_a_distorted_patch():
    patches = Patches.draw(4, 0.5, 1.0, torch.Generator().manual_seed(0))
    seen = seen_patches(torch.ones(1, 3, 32, 32), [patches])
    torch.testing.assert_close(seen.abs(), torch.ones_like(seen))
    assert 0.2 < float((seen > 0).float().mean()) < 0.9
    assert bool((patches.places.abs() <= 0.5).all())
