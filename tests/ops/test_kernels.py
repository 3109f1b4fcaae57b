"""Kernels of bias_act and upfirdn2d: layouts, gradients of gradients, and the compiler."""

import pytest
import torch

from itportrait.kernels.running import interpreted
from itportrait.ops.bias_act import BIAS_ACT
from itportrait.ops.upfirdn2d import UPFIRDN2D
from tests.helpers.kernels import DEVICE, front_end, launches, needs_kernels
from tests.ops.tolerances import assert_close


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def bias_act_case():
    return BIAS_ACT, (draw(2, 5, 3, 4), draw(5, seed=1), draw(2, 5, seed=2)), (0.2, 1.4, 1.5)


def upfirdn2d_case():
    return UPFIRDN2D, (draw(2, 5, 4, 3),), (draw(4, 4, seed=1), 2, (2, 1), 4.0)


@needs_kernels
@pytest.mark.parametrize("case", [bias_act_case, upfirdn2d_case])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_of_gradients_match_the_reference(case, layout):
    op, tensors, others = case()
    results = []
    for backend, device, dtype in (("triton", DEVICE, torch.float32),
                                   ("reference", "cpu", torch.float64)):  # fmt: skip
        x, *rest = (t.to(device, dtype).requires_grad_() for t in tensors)
        x = x.detach().contiguous(memory_format=layout).requires_grad_()
        fixed = [v.to(device, dtype) if isinstance(v, torch.Tensor) else v for v in others]
        out = op(x, *rest, *fixed, backend=backend)
        first = torch.autograd.grad(out.square().sum(), [x, *rest], create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), [x, *rest])
        results.append([out, *first, *second])
        if backend == "triton":
            assert out.is_contiguous(memory_format=layout)
    for got, want in zip(*results, strict=True):
        assert_close(got, want, 10)


@pytest.mark.skipif(interpreted(), reason="the interpreter replaces the compiler")
@pytest.mark.parametrize("case", [bias_act_case, upfirdn2d_case])
def test_kernels_pass_the_compiler_without_a_gpu(case):
    pytest.importorskip("triton", reason="needs triton")
    op, tensors, others = case()
    tensors = [t.half().requires_grad_() for t in tensors]
    kernel = next(item for item in op.implementations if item.name == "triton").function
    with launches() as seen:
        kernel(*tensors, *others).sum().backward()
    assert len(seen) == 2
    for launched, arguments in seen:
        assert "tt.store" in front_end(launched, arguments)
