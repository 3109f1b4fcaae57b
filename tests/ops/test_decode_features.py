"""decode_features, native and reference, against each other and by hand."""

import math

import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.ops.decode_features import decode_features
from itportrait.ops.loader import NativeOpError


def inputs(points, channels, hidden, colors, dtype=torch.float32):
    rng = torch.Generator().manual_seed(points)

    def draw(*shape, scale=1.0):
        return (scale * torch.randn(*shape, generator=rng)).to(dtype).requires_grad_()

    features = draw(points, channels, scale=3.0)
    first = draw(hidden, channels), draw(hidden)
    return features, first, (draw(1 + colors, hidden, scale=0.3), draw(1 + colors))


def run(given, backend):
    """Return outputs and all gradients of a fixed random projection of them."""
    features, hidden, output = given
    sigma, color = decode_features(features, hidden, output, backend=backend)
    rng = torch.Generator().manual_seed(1)
    weights = [torch.randn(t.shape, generator=rng).to(t.dtype) for t in (sigma, color)]
    total = (sigma * weights[0]).sum() + (color * weights[1]).sum()
    leaves = (features, *hidden, *output)
    return [sigma, color, *torch.autograd.grad(total, leaves)]


@pytest.mark.parametrize(
    "sizes", [(1, 16, 32, 16), (16, 16, 32, 16), (1003, 32, 64, 32), (70, 5, 7, 3), (33, 16, 32, 0)]
)
def test_native_matches_the_reference(sizes):
    given = inputs(*sizes)
    for actual, expected in zip(run(given, "cpu"), run(given, "reference"), strict=True):
        assert actual.shape == expected.shape
        if expected.numel():
            scale = float(expected.detach().abs().max())
            assert float((actual - expected).detach().abs().max()) <= 1e-5 * scale


def test_extreme_values_stay_finite_and_right():
    one = torch.ones(1, 1)
    values = torch.tensor([[-1e4], [-90.0], [0.0], [30.0], [1e4]])
    output = torch.ones(2, 1), torch.zeros(2)
    sigma, color = decode_features(values, (one, torch.zeros(1)), output, backend="cpu")
    soft = torch.tensor([0.0, math.exp(-90.0), math.log(2), 30.0, 1e4])
    assert torch.allclose(sigma[:, 0], soft, atol=1e-6)
    assert torch.allclose(color[:, 0], torch.sigmoid(soft), atol=1e-6)


def test_threads_give_the_same():
    given = inputs(999, 16, 32, 16)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        single = run(given, "cpu")
        torch.set_num_threads(2)
        double = run(given, "cpu")
    finally:
        torch.set_num_threads(before)
    for left, right in zip(single, double, strict=True):
        assert torch.allclose(left, right, rtol=1e-4, atol=1e-4)


def test_other_types_take_the_reference():
    given = inputs(20, 4, 6, 2, torch.float64)
    assert run(given, "auto")[0].dtype == torch.float64
    with pytest.raises(NativeOpError, match="float32"):
        run(given, "cpu")


def test_shapes_that_do_not_fit_are_named():
    features, hidden, output = inputs(4, 5, 6, 3)
    with pytest.raises(InvalidArgumentError, match=r"output.*\[O, 6\]"):
        decode_features(features, hidden, (output[0][:, :5], output[1]))
    with pytest.raises(InvalidArgumentError, match="features"):
        decode_features(features[None], hidden, output)
