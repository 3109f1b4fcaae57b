"""Every implementation of every op against its definition: values, gradients, types, layouts."""

import pytest
import torch

from itportrait.ops import all_ops, gpu
from itportrait.ops.render_rays import Space
from itportrait.ops.upfirdn2d import resample_filter
from tests.helpers.kernels import DEVICE
from tests.ops.tolerances import FACTORS, TOLERANCES, assert_close

OPS = {op.name: op for op in all_ops()}

UNTRAINED_FILTER = {("upfirdn2d", "triton")}
"""Implementations that refuse a filter with a gradient."""


def types_of(item):
    """Return the types that an implementation admits on its device."""
    if item.name == "triton":
        return gpu.TYPES
    return [dtype for dtype in TOLERANCES if not item.refusal([torch.empty(0, dtype=dtype)])]


def listed(op, item, *more):
    marks = [pytest.mark.gpu] if item.name == "triton" else []
    return pytest.param(op.name, item.name, *more, marks=marks)


PAIRS = [listed(op, item) for op in OPS.values() for item in op.implementations]
TYPED = [
    listed(op, item, dtype)
    for op in OPS.values()
    for item in op.implementations
    for dtype in types_of(item)
]


def draw(*shape, scale=1.0, seed=0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def cases(name, implementation):
    """Return positional arguments and options of an op, of odd sizes, in float32."""
    # Native code takes sixteen depths at a time. Kernels take one, for which the interpreter needs
    # half a second: their walks are shorter.
    long, chunk = (5, 3) if implementation == "triton" else (37, 16)
    style = {"slope": 0.2, "gain": 1.4, "clamp": 2.0}
    layer = {**style, "demodulate": True, "up": 1, "kernel": None}
    planes, points = draw(2, 3, 5, 9, 7), draw(2, 31, 3, scale=0.6, seed=1)
    three = draw(6, 3, 3, 3, seed=1), draw(2, 3, seed=2), draw(6, seed=3)
    one = draw(6, 3, 1, 1, seed=1), draw(2, 3, seed=2), draw(6, seed=3)
    own = draw(2, 6, 3, 3, 3, seed=1), draw(2, 3, seed=2), draw(2, 6, seed=3)
    own_one = draw(2, 6, 3, 1, 1, seed=1), draw(2, 3, seed=2), draw(2, 6, seed=3)
    wide = draw(48, 32, 3, 3, seed=1), 1 + draw(2, 32, scale=0.3, seed=2), draw(48, seed=3)
    each = draw(2, 1, 13, 18, seed=4)
    space = Space(((0, 1), (0, 2), (2, 0)), 1.0, False, 3.0)
    layers = (draw(7, 5, seed=1), draw(7, seed=2)), (draw(5, 7, seed=3), draw(5, seed=4))
    each_layer = tuple(tuple(torch.stack([t, 0.5 * t]) for t in layer) for layer in layers)
    guide = decoder(32, 64, 0)
    boxed = Space(((0, 1), (0, 2), (1, 2)), 0.8, True, 1.0)
    small, large = decoder(16, 32, 16), decoder(32, 64, 32, count=2)
    density = tuple(
        layer if i == 0 else tuple(t[:1] for t in layer) for i, layer in enumerate(small)
    )
    return {
        "modulated_conv2d": [
            ((draw(2, 3, 7, 5), *three, None), layer),
            ((draw(2, 3, 7, 5), *three, draw(7, 5, seed=4)), {**layer, "demodulate": False}),
            ((draw(2, 3, 7, 5), *three, None), {**layer, "up": 2, "kernel": resample_filter()}),
            ((draw(2, 3, 7, 5), *one, None), {**layer, "demodulate": False}),
            ((draw(2, 3, 7, 5), *own, None), layer),
            ((draw(2, 3, 7, 5), *own, None), {**layer, "up": 2, "kernel": resample_filter()}),
            ((draw(2, 3, 7, 5), *own_one, None), {**layer, "demodulate": False}),
            ((draw(2, 32, 13, 18), *wide, each), layer),
            ((draw(2, 32, 13, 18), *wide, None), {**layer, "demodulate": False, "clamp": None}),
            (
                (draw(2, 32, 13, 18), *wide, draw(26, 36, seed=4)),
                {**layer, "up": 2, "kernel": draw(4, 4, scale=0.1, seed=5)},
            ),
        ],
        "upfirdn2d": [
            ((draw(2, 3, 7, 5), draw(4, 4, seed=1), 1, (1, 1), 1.5), {}),
            ((draw(2, 3, 7, 5), draw(4, 4, seed=1), 1, (2, 1), 1.5), {}),
            ((draw(2, 3, 7, 5), draw(4, 4, seed=1), 2, (2, 1), 4.0), {}),
        ],
        "bias_act": [
            ((draw(2, 3, 4, 5), draw(3, seed=1), draw(2, 3, seed=2), 0.2, 1.4, 0.7), {}),
            ((draw(2, 3, 4, 5), draw(3, seed=1), None, 1.0, 1.0, None), {}),
            ((draw(2, 3, 4, 5), draw(2, 3, seed=1), draw(2, 3, seed=2), 0.2, 1.4, 0.7), {}),
        ],
        "render_rays": [
            ((draw(1, 3, 5, 9, 7), *rays(1, 19, 4), *layers, space, True), {}),
            ((draw(2, 3, 5, 9, 7), *rays(2, 5, 3), *each_layer, boxed, False), {}),
            ((draw(2, 3, 16, 9, 7), *rays(2, 21, long), *small, boxed, True), {}),
            ((draw(2, 3, 16, 9, 7), *rays(2, 3, 2), *density, space, True), {}),
            ((draw(2, 3, 32, 9, 7), *rays(2, 17, chunk), *large, space, False), {}),
            ((draw(2, 3, 32, 9, 7), *rays(2, 3, 5), *guide, space, True), {}),
        ],
        "render_refined": [
            (
                (draw(2, 3, 16, 9, 7), *rays(2, 16, 37), *small, draws(2, 16, 20), boxed, 2, True),
                {},
            ),
            ((draw(2, 3, 32, 9, 7), *rays(2, 17, 4), *large, evenly(5), space, 1, True), {}),
            ((draw(1, 3, 32, 9, 7), *rays(1, 3, 2), *guide, draws(1, 3, 1), boxed, 1, False), {}),
        ],
        "sample_planes": [((planes, points, ((0, 1), (0, 2), (2, 0))), {})],
        "decode_features": [
            (
                (
                    draw(37, 5, scale=3),
                    (draw(7, 5, seed=1), draw(7, seed=2)),
                    (draw(4, 7, seed=3), draw(4, seed=4)),
                ),
                {},
            )
        ],
    }[name]


def decoder(channels, hidden, colors, count=None):
    """Return layers of a decoder, of their own for each of `count` samples if given."""
    own = () if count is None else (count,)
    first = draw(*own, hidden, channels, scale=0.4, seed=1), draw(*own, hidden, seed=2)
    last = draw(*own, 1 + colors, hidden, scale=0.3, seed=3), draw(*own, 1 + colors, seed=4)
    return first, last


def rays(batch, count, samples):
    """Return origins, directions and sorted depths of rays that cross the cube and leave it."""
    origins = draw(batch, count, 3, scale=0.1, seed=5) - torch.tensor([0.0, 0.0, 0.9])
    directions = draw(batch, count, 3, scale=0.3, seed=6) + torch.tensor([0.0, 0.0, 1.0])
    depths = torch.rand(batch, count, samples, generator=torch.Generator().manual_seed(7))
    return origins, directions / directions.norm(dim=2, keepdim=True), 1.8 * depths.sort(-1).values


def draws(*shape):
    """Return random quantiles."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(8))


def evenly(count):
    """Return evenly spaced quantiles, 0 and 1 included."""
    return torch.linspace(0, 1, count)


def mapped(value, function):
    """Apply a function to the tensors of nested arguments."""
    if isinstance(value, torch.Tensor):
        return function(value)
    return tuple(mapped(v, function) for v in value) if isinstance(value, tuple) else value


def moved(arguments, implementation):
    """Return arguments on the device of an implementation."""
    device = DEVICE if implementation == "triton" else "cpu"
    return mapped(arguments, lambda t: t.to(device))


def admitted(op, implementation):
    """Return the cases that an implementation admits, of which there must be some."""
    item = next(item for item in op.implementations if item.name == implementation)
    given = [
        (moved(arguments, implementation), options)
        for arguments, options in cases(op.name, implementation)
    ]
    found = [case for case in given if not item.refusal(leaves(case[0]))]
    assert found
    return found


def leaves(value):
    if isinstance(value, torch.Tensor):
        return [value]
    return [leaf for v in value for leaf in leaves(v)] if isinstance(value, tuple) else []


def trained(value):
    return [leaf for leaf in leaves(value) if leaf.requires_grad]


@pytest.fixture
def op(name, implementation):
    """An op; the test is skipped where this machine lacks the implementation."""
    if reason := OPS[name].explain()[implementation]:
        pytest.skip(reason)
    return OPS[name]


@pytest.mark.parametrize(("name", "implementation", "dtype"), TYPED)
def test_values_and_gradients_match_the_reference(op, name, implementation, dtype):
    factor = FACTORS.get((name, implementation), 1)
    for arguments, options in admitted(op, implementation):
        given = mapped(arguments, lambda t: t.to(dtype).requires_grad_())
        exact = mapped(given, lambda t: t.detach().cpu().double().requires_grad_())
        if (name, implementation) in UNTRAINED_FILTER:
            given[1].requires_grad_(False)
            exact[1].requires_grad_(False)
        actual = op(*given, backend=implementation, **options)
        expected = op(*exact, backend="reference", **options)
        outputs = zip(
            leaves(actual if isinstance(actual, tuple) else (actual,)),
            leaves(expected if isinstance(expected, tuple) else (expected,)),
        )
        totals = [torch.zeros((), dtype=torch.float64) for _ in range(2)]
        for index, (got, want) in enumerate(outputs):
            assert got.dtype == dtype
            assert_close(got, want, factor)
            weight = draw(*want.shape, seed=index).double()
            totals[0] = totals[0] + (got.cpu().double() * weight).sum()
            totals[1] = totals[1] + (want * weight).sum()
        if dtype in (torch.float32, torch.float64):
            found = torch.autograd.grad(totals[0], trained(given), allow_unused=True)
            wanted = torch.autograd.grad(totals[1], trained(exact), allow_unused=True)
            for got, want in zip(found, wanted):
                assert (got is None) == (want is None)
                if got is not None and want is not None:
                    assert_close(got, want, factor)


@pytest.mark.parametrize(("name", "implementation"), PAIRS)
def test_layouts_do_not_matter(op, name, implementation):
    factor = FACTORS.get((name, implementation), 1)
    for arguments, options in admitted(op, implementation):
        strided = mapped(arguments, lambda t: torch.stack([t, t], -1)[..., 0])
        actual = op(*strided, backend=implementation, **options)
        exact = mapped(arguments, lambda t: t.cpu())
        expected = op(*exact, backend="reference", **options)
        for got, want in zip(
            leaves(actual if isinstance(actual, tuple) else (actual,)),
            leaves(expected if isinstance(expected, tuple) else (expected,)),
        ):
            assert_close(got, want, factor)
