"""The whitened space: unit statistics, and a lossless way there and back."""

import torch

from itportrait.generator.whitened import WhitenedSpace
from itportrait.geometry.camera import frontal_camera
from tests.helpers.tiny_family import tiny_generator


def test_fresh_codes_have_zero_mean_and_unit_covariance():
    generator = tiny_generator()
    space = WhitenedSpace.of(generator, frontal_camera(), samples=4000, seed=0, floor=1e-4)
    z = torch.randn(4000, generator.z_dim, generator=torch.Generator().manual_seed(9))
    u = space.whiten(generator.mapping(z, frontal_camera())[:, 0])
    assert u.mean(0).abs().max() < 0.1
    # 8 of the 16 axes are z itself; the rest depends on it, so that some axes hold no variance.
    variance = torch.linalg.eigvalsh(torch.cov(u.T))
    assert ((variance - 1).abs() < 0.2).sum() >= generator.z_dim
    assert variance.max() < 1.3


def test_the_floor_bounds_every_step():
    generator = tiny_generator()
    space = WhitenedSpace.of(generator, frontal_camera(), samples=1000, seed=0, floor=0.05)
    deviations = torch.linalg.eigvalsh(space.to_w)
    assert deviations.min() > 0.04 * deviations.square().mean().sqrt()


def test_codes_survive_the_way_there_and_back():
    generator = tiny_generator()
    space = WhitenedSpace.of(generator, frontal_camera(), samples=500, seed=0)
    w = torch.randn(3, 5, generator.w_dim, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(space.color(space.whiten(w)), w, rtol=1e-4, atol=1e-4)
    again = WhitenedSpace.of(generator, frontal_camera(), samples=500, seed=0)
    assert torch.equal(again.to_w, space.to_w)
