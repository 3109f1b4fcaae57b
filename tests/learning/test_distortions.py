"""Parts of distortions: identity, direction, and gradients."""

import math

import torch

from itportrait.learning.distortions import mixed_colors, placement, seen_through


def ramp():
    """Return a picture `[1, 3, 16, 16]` that grows to the right."""
    return torch.linspace(-1, 1, 16).expand(1, 3, 16, 16).contiguous()


def place(turn=0.0, size=1.0, right=0.0):
    return placement(torch.tensor([turn]), torch.tensor([size]), torch.tensor([[right, 0.0]]))


def test_no_turn_no_zoom_and_no_shift_is_no_change():
    torch.testing.assert_close(seen_through(ramp(), place()), ramp(), atol=1e-5, rtol=0)


def test_a_shift_looks_further_right_and_repeats_the_edge():
    seen = seen_through(ramp(), place(right=1.0))
    torch.testing.assert_close(seen[..., :8], ramp()[..., 8:], atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[..., 8:], torch.ones(1, 3, 16, 8), atol=1e-5, rtol=0)


def test_a_quarter_turn_and_a_zoom():
    turned = seen_through(ramp(), place(turn=math.pi / 2))
    torch.testing.assert_close(turned, -ramp().transpose(2, 3), atol=1e-5, rtol=0)
    closer = seen_through(ramp(), place(size=0.5))
    assert float(closer.max() - closer.min()) < 0.6 * float(ramp().max() - ramp().min())


def test_colors_are_mixed_then_shifted_and_all_is_differentiable():
    image = ramp().requires_grad_(True)
    swap = torch.eye(3)[[2, 1, 0]][None]
    shade = torch.tensor([0.5, 0.0, 0.0]).view(1, 3, 1, 1)
    tinted = image * torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
    mixed = mixed_colors(tinted, swap, shade)
    torch.testing.assert_close(mixed[:, 0], 3 * image[:, 0] + 0.5)
    torch.testing.assert_close(mixed[:, 2], image[:, 0])
    seen_through(mixed, place(turn=0.1)).sum().backward()
    assert image.grad is not None
    assert float(image.grad.abs().max()) > 0
