"""upfirdn2d, modulated_conv2d, bias_act and sample_planes against their definitions."""

import math

import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.ops.bias_act import bias_act
from itportrait.ops.bias_act.reference import bias_act_reference
from itportrait.ops.loader import NativeOpError, absence
from itportrait.ops.modulated_conv import modulated_conv2d
from itportrait.ops.modulated_conv.reference import modulated_conv2d_reference
from itportrait.ops.sample_planes import sample_planes
from itportrait.ops.sample_planes.cpu import SOURCE
from itportrait.ops.upfirdn2d import resample_filter, upfirdn2d, upsample2d
from itportrait.ops.upfirdn2d.reference import upfirdn2d_reference

AXES = ((0, 1), (0, 2), (2, 0))
CORRECTED = ((0, 1), (0, 2), (1, 2))


def randn(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def assert_close(actual, expected, tolerance=1e-5):
    """Compare as a share of the largest magnitude; say where it is worst."""
    assert actual.shape == expected.shape
    error = (actual - expected).detach().abs()
    worst = int(error.argmax())
    scale = float(expected.detach().abs().max()) or 1.0
    assert float(error.max()) <= tolerance * scale, (
        f"flat index {worst}: {actual.flatten()[worst]} instead of {expected.flatten()[worst]}"
    )


# --- upfirdn2d


def test_filter_values():
    kernel = resample_filter()
    assert float(kernel.sum()) == pytest.approx(1)
    assert float(kernel[0, 0]) == 1 / 64
    assert float(kernel[1, 2]) == 9 / 64


def test_upsample_by_hand():
    out = upsample2d(torch.tensor([[[[4.0, 8.0]]]]), resample_filter())
    # Rows [3, 1] / 4 of the one row, columns weights [1, 3] / 4 with zeros outside.
    rows = torch.tensor([0.75, 0.75])
    columns = torch.tensor([3.0, 5.0, 7.0, 6.0])
    assert torch.allclose(out[0, 0], rows[:, None] * columns)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("up", "padding"),
    [(1, (1, 1)), (1, (2, 2)), (1, (2, 1)), (2, (2, 1)), (2, (1, 2)), (2, (3, 2))],
)
def test_upfirdn2d_matches_reference(up, padding, layout):
    x = randn(2, 3, 7, 5).contiguous(memory_format=layout)
    kernel = randn(4, 4, seed=1)  # no symmetry that could hide a flip
    actual = upfirdn2d(x, kernel, up=up, padding=padding, gain=1.5)
    assert_close(actual, upfirdn2d_reference(x, kernel, up, padding, 1.5))


def test_upfirdn2d_gradient():
    x = randn(1, 2, 5, 4, dtype=torch.float64).requires_grad_()
    kernel = randn(4, 4, seed=1, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda v: upfirdn2d(v, kernel, up=2, padding=(2, 1)), x)


def test_upfirdn2d_errors():
    with pytest.raises(InvalidArgumentError, match="up must be 1 or 2"):
        upfirdn2d(randn(1, 1, 4, 4), resample_filter(), up=3)
    with pytest.raises(InvalidArgumentError, match="at least 4 pixels"):
        upfirdn2d(randn(1, 1, 2, 2), resample_filter())


# --- bias_act


@pytest.mark.parametrize("slope", [0.2, 1.0])
@pytest.mark.parametrize("gain", [math.sqrt(2), 1.0])
@pytest.mark.parametrize("clamp", [None, 0.7])
@pytest.mark.parametrize("scaled", [True, False])
def test_bias_act_matches_reference(slope, gain, clamp, scaled):
    x, bias = randn(2, 3, 4, 5), randn(3, seed=1)
    scale = randn(2, 3, seed=2) if scaled else None
    before = x.clone()
    actual = bias_act(x, bias, scale=scale, slope=slope, gain=gain, clamp=clamp)
    assert_close(actual, bias_act_reference(x, bias, scale, slope, gain, clamp))
    assert torch.equal(x, before)


def test_bias_act_by_hand():
    out = bias_act(torch.tensor([[[[-3.0, 2.0]]]]), torch.tensor([1.0]), gain=10.0)
    assert torch.allclose(out, torch.tensor([[[[-4.0, 30.0]]]]))


def test_bias_act_errors():
    x = randn(2, 3, 4, 4)
    with pytest.raises(InvalidArgumentError, match=r"bias must be \[3\]"):
        bias_act(x, torch.zeros(2))
    with pytest.raises(InvalidArgumentError, match="scale must be"):
        bias_act(x, torch.zeros(3), scale=torch.zeros(3))
    with pytest.raises(InvalidArgumentError, match="gain must be positive"):
        bias_act(x, torch.zeros(3), gain=-1.0)


# --- modulated_conv2d


def plain(x, weight, styles, **options):
    """Run the op without its epilogue, as the reference has none."""
    bias = torch.zeros(weight.shape[0], dtype=x.dtype)
    return modulated_conv2d(x, weight, styles, bias=bias, slope=1.0, gain=1.0, **options)


CASES = [(3, 1, True), (3, 1, False), (3, 2, True), (3, 2, False), (1, 1, False), (1, 1, True)]


@pytest.mark.parametrize(("size", "up", "demodulate"), CASES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_modulated_conv_matches_reference(size, up, demodulate, layout):
    x = randn(2, 4, 7, 5).contiguous(memory_format=layout)
    weight, styles = randn(6, 4, size, size, seed=1), randn(2, 4, seed=2)
    kernel = resample_filter() if up == 2 else None
    actual = plain(x, weight, styles, up=up, demodulate=demodulate, kernel=kernel)
    assert_close(actual, modulated_conv2d_reference(x, weight, styles, demodulate, up, kernel))


@pytest.mark.parametrize(("size", "up", "demodulate"), CASES)
def test_modulated_conv_gradients_match_reference(size, up, demodulate):
    x, weight, styles = randn(2, 3, 5, 4), randn(4, 3, size, size, seed=1), randn(2, 3, seed=2)
    values = [v.double().requires_grad_() for v in (x, weight, styles)]
    kernel = resample_filter().double() if up == 2 else None
    actual = plain(*values, up=up, demodulate=demodulate, kernel=kernel)
    expected = modulated_conv2d_reference(*values, demodulate, up, kernel)
    direction = randn(*actual.shape, seed=3, dtype=torch.float64)
    for got, want in zip(
        torch.autograd.grad(actual, values, direction),
        torch.autograd.grad(expected, values, direction),
    ):
        assert_close(got, want, 1e-6)


def test_demodulation_gives_unit_variance():
    x, weight = randn(4, 64, 32, 32), randn(32, 64, 3, 3, seed=1)
    out = plain(x, weight, randn(4, 64, seed=2) * 100)
    assert float(out.std()) == pytest.approx(1, abs=0.05)


def test_noise_joins_before_the_bias():
    x, weight, styles = randn(2, 3, 4, 4), randn(5, 3, 3, 3, seed=1), randn(2, 3, seed=2)
    noise, bias = randn(4, 4, seed=3), randn(5, seed=4)
    clean = modulated_conv2d_reference(x, weight, styles, True, 1, None)
    expected = bias_act_reference(clean + noise, bias, None, 0.2, 2**0.5, 0.5)
    assert_close(modulated_conv2d(x, weight, styles, bias=bias, noise=noise, clamp=0.5), expected)


def test_modulated_conv_half_precision_does_not_overflow():
    # 64 * 9 products of 200 * 40 overflow float16; divided by their maxima they do not.
    x, weight = randn(1, 64, 8, 8), randn(8, 64, 3, 3, seed=1) * 200
    styles = randn(1, 64, seed=2) * 40
    expected = modulated_conv2d_reference(x, weight, styles, True, 1, None)
    actual = plain(x.half(), weight, styles)
    assert actual.dtype == torch.float16
    assert_close(actual.float(), expected, 5e-3)


@pytest.mark.parametrize("up", [1, 2])
def test_native_layers_stay_in_single_precision_under_autocast(up):
    x, weight = randn(2, 16, 20, 20), randn(48, 16, 3, 3, seed=1)
    values = [v.requires_grad_() for v in (x, weight, 1 + 0.3 * randn(2, 16, seed=2))]
    bias, kernel = randn(48, seed=3), resample_filter() if up == 2 else None

    def layer():
        return modulated_conv2d(*values, bias=bias, up=up, kernel=kernel)

    with torch.autocast("cpu", torch.bfloat16):
        actual = layer()
    expected = layer()
    assert actual.dtype == torch.float32
    assert torch.equal(actual, expected)
    for got, want in zip(
        *(torch.autograd.grad(y.square().mean(), values) for y in (actual, expected))
    ):
        assert torch.equal(got, want)


@pytest.mark.parametrize("size", [(4, 5), (9, 40), (31, 2), (64, 33)])
@pytest.mark.parametrize("threads", [1, 3])
def test_native_layers_that_double_the_size_are_whole_at_every_edge(size, threads):
    x, weight = randn(3, 16, *size).double(), randn(32, 16, 3, 3, seed=1).double()
    kernel, bias = 0.2 * randn(4, 4, seed=2).double(), randn(32, seed=3).double()
    values = [v.requires_grad_() for v in (x, weight, 1 + 0.3 * randn(3, 16, seed=4).double())]

    def run(values, backend, **given):
        y = modulated_conv2d(*values, **given, up=2, slope=1.0, backend=backend)
        return y, *torch.autograd.grad((y * weights.to(y.dtype)).sum(), values)

    weights = randn(3, 32, 2 * size[0], 2 * size[1], seed=5).double()
    expected = run(values, "reference", bias=bias, kernel=kernel)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        single = [v.detach().float().requires_grad_() for v in values]
        actual = run(single, "cpu", bias=bias.float(), kernel=kernel.float())
    finally:
        torch.set_num_threads(before)
    for got, want in zip(actual, expected):
        assert_close(got, want.float(), 2e-5)


@pytest.mark.parametrize("size", [(128, 64), (9, 7)])  # two runs of pixels, and no whole one
def test_layers_of_points_have_gradients_of_any_order(size):
    x, weight = randn(2, 3, *size), randn(5, 3, 1, 1, seed=1)
    found = []
    for dtype, backend in ((torch.float32, "scaled"), (torch.float64, "reference")):
        values = [v.to(dtype).requires_grad_() for v in (x, weight, randn(2, 3, seed=2))]
        bias = randn(5, seed=3, dtype=dtype)
        y = modulated_conv2d(*values, bias=bias, demodulate=False, slope=1.0, backend=backend)
        first = torch.autograd.grad(y.square().mean(), values, create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), values)
        found.append([y, *first, *second])
    for got, want in zip(*found, strict=True):
        assert_close(got, want.float())


@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize(("batch", "size"), [(0, (8, 8)), (1, (0, 8)), (1, (8, 0))])
def test_native_layers_refuse_nothing(up, batch, size):
    """Native code would divide by the size of a batch or of a picture."""
    x, weight, styles = randn(batch, 16, *size), randn(16, 16, 3, 3), randn(batch, 16)
    given = {"bias": torch.zeros(16), "up": up, "kernel": resample_filter() if up == 2 else None}
    with pytest.raises(NativeOpError, match=r"at least one pixel and one channel, got \["):
        modulated_conv2d(x, weight, styles, **given, backend="cpu")


@pytest.mark.parametrize("up", [1, 2])
def test_an_empty_batch_has_no_pictures_and_no_gradients(up):
    x, weight, styles = (
        v.requires_grad_() for v in (randn(0, 16, 8, 8), randn(16, 16, 3, 3), randn(0, 16))
    )
    kernel = resample_filter() if up == 2 else None
    out = modulated_conv2d(x, weight, styles, bias=torch.zeros(16), up=up, kernel=kernel)
    assert out.shape == (0, 16, 8 * up, 8 * up)
    out.sum().backward()
    assert weight.grad is not None
    assert not weight.grad.any()


def test_modulated_conv_errors():
    x, weight, styles = randn(2, 3, 4, 4), randn(5, 3, 3, 3), randn(2, 3)
    bias = torch.zeros(5)
    with pytest.raises(InvalidArgumentError, match="styles must be"):
        modulated_conv2d(x, weight, styles[:1], bias=bias)
    with pytest.raises(InvalidArgumentError, match="weight must be"):
        modulated_conv2d(x, weight[:, :2], styles, bias=bias)
    with pytest.raises(InvalidArgumentError, match="2 with a kernel"):
        modulated_conv2d(x, weight, styles, bias=bias, up=2)


# --- sample_planes


@pytest.fixture(params=["cpu", "reference"])
def backend(request):
    if request.param == "cpu" and absence(SOURCE):
        pytest.skip("no C++ compiler on this machine")
    return request.param


def test_sample_planes_by_hand(backend):
    planes = torch.zeros(1, 3, 1, 2, 2)
    planes[0, 0, 0] = torch.tensor([[3.0, 6.0], [9.0, 12.0]])
    points = torch.tensor([[[-0.5, -0.5, 0.0], [0.0, -0.5, 0.0], [-0.5, 0.5, 0.0], [-1, -1, 0.0]]])
    out = sample_planes(planes, points, AXES, backend=backend)
    # Texel (column 0, row 0), between columns, row 1, and a corner with three neighbors outside.
    assert torch.allclose(out[:, 0], torch.tensor([1.0, 1.5, 3.0, 0.25]))


@pytest.mark.parametrize("channels", [1, 5, 16, 32])
@pytest.mark.parametrize("axes", [AXES, CORRECTED])
def test_native_sampling_matches_reference(channels, axes):
    if absence(SOURCE):
        pytest.skip("no C++ compiler on this machine")
    planes = randn(2, 3, channels, 9, 13).requires_grad_()
    points = ((torch.rand(2, 301, 3) - 0.5) * 2.6).requires_grad_()  # some of them outside
    native = sample_planes(planes, points, axes, backend="cpu")
    expected = sample_planes(planes, points, axes, backend="reference")
    assert_close(native, expected)
    direction = randn(*native.shape, seed=3)
    for got, want in zip(
        torch.autograd.grad(native, (planes, points), direction),
        torch.autograd.grad(expected, (planes, points), direction),
    ):
        assert_close(got, want)


def test_native_sampling_takes_any_layout_and_thread_count():
    if absence(SOURCE):
        pytest.skip("no C++ compiler on this machine")
    flat = randn(3, 48, 8, 8).contiguous(memory_format=torch.channels_last)
    planes = flat.unflatten(1, (3, 16))
    points = (torch.rand(3, 50, 6) - 0.5)[..., ::2]
    expected = sample_planes(planes.contiguous(), points, AXES, backend="reference")
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            assert_close(sample_planes(planes, points, AXES, backend="cpu"), expected)
    finally:
        torch.set_num_threads(before)


def test_points_far_outside_give_zero(backend):
    points = torch.tensor([[[1e30, -1e30, 1e30], [5.0, 5.0, -5.0]]])
    out = sample_planes(randn(1, 3, 4, 8, 8), points, AXES, backend=backend)
    assert torch.equal(out, torch.zeros(2, 4))


@pytest.mark.parametrize(("batch", "count"), [(0, 5), (2, 0)])
def test_native_sampling_of_nothing_is_nothing(batch, count):
    if absence(SOURCE):
        pytest.skip("no C++ compiler on this machine")
    planes = randn(batch, 3, 16, 8, 8).requires_grad_()
    points = randn(batch, count, 3).requires_grad_()
    out = sample_planes(planes, points, AXES, backend="cpu")
    assert out.shape == (0, 16)
    found = torch.autograd.grad(out.sum(), (planes, points))
    assert [each.shape for each in found] == [planes.shape, points.shape]
    assert not found[0].any()


def test_sampling_errors():
    planes, points = randn(1, 3, 4, 8, 8), torch.zeros(1, 2, 3)
    with pytest.raises(InvalidArgumentError, match="planes must be"):
        sample_planes(planes[0], points, AXES)
    with pytest.raises(InvalidArgumentError, match="points must be"):
        sample_planes(planes, points[:, :, :2], AXES)
    with pytest.raises(InvalidArgumentError, match="backend"):
        sample_planes(planes, points, AXES, backend="fast")
    with pytest.raises(NativeOpError, match="float64"):
        sample_planes(planes.double(), points.double(), AXES, backend="cpu")
