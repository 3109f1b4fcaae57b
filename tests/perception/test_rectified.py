"""Convolutions with their ReLU: native where that is quicker, and the same as layer by layer."""

import pytest
import torch
from torch import nn

from itportrait.ops.modulated_conv import MODULATED_CONV
from itportrait.perception.rectified import convolve_rectified, run_rectified


def layers():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(16, 48, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(48, 32, 3, 2, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, 16, 1),
    )


def picture(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def results(compute, model, x):
    x = x.clone().requires_grad_()
    y = compute(model, x)
    return [y, *torch.autograd.grad(y.square().mean(), [x, *model.parameters()])]


@pytest.mark.parametrize("size", [(45, 38), (6, 5)])  # native and, with few tiles, not
def test_layers_and_their_gradients_are_those_of_the_library(size):
    model, x = layers(), picture(2, 3, *size)
    found = results(lambda m, x: run_rectified(m, x), model, x)
    wanted = results(lambda m, x: m(x), model.double(), x.double())
    for got, want in zip(found, wanted, strict=True):
        assert got.shape == want.shape
        assert float((got - want).detach().abs().max()) <= 4e-5 * float(want.detach().abs().max())


def test_native_code_computes_what_it_is_quicker_at():
    if reason := MODULATED_CONV.explain()["cpu"]:
        pytest.skip(reason)
    wide = nn.Conv2d(512, 512, 3, padding=1)
    for convolution, side, native in (
        (nn.Conv2d(16, 48, 3, padding=1), 40, True),
        (nn.Conv2d(16, 48, 3, padding=1), 8, False),
        (nn.Conv2d(16, 48, 3, padding=1, bias=False), 40, False),
        (nn.Conv2d(16, 48, 3), 40, False),
        (nn.Conv2d(16, 48, 3, padding=1, padding_mode="reflect"), 40, False),
        (nn.Conv2d(16, 48, 3, padding=1).double(), 40, False),
        (wide, 16, False),
    ):
        x = picture(1, convolution.in_channels, side, side).to(convolution.weight)
        made = convolve_rectified(x, convolution)
        assert ("_Layer" in made.grad_fn.name()) == native
