"""Which implementation computes an op, and what is said where it cannot."""

import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.ops import all_ops
from itportrait.ops.dispatch import Implementation, Op, admit_cpu_float32
from itportrait.ops.loader import NativeOpError


def twice(x, times=2):
    return x * times


@pytest.fixture
def op():
    return Op("twice", twice)


def marked(text):
    return lambda x, times=2: (text, twice(x, times))


def test_a_second_implementation_is_added_from_outside(op):
    op.add(Implementation("fast", marked("fast"), admit_cpu_float32))
    op.add(Implementation("faster", marked("faster"), admit_cpu_float32), first=True)
    one, half = torch.ones(1), torch.ones(1, dtype=torch.float16)
    assert op(one)[0] == "faster"
    assert op(one, backend="fast", times=3) == ("fast", torch.tensor([3.0]))
    assert op(one, backend="reference").item() == 2
    assert op(half).dtype == torch.float16
    with pytest.raises(NativeOpError, match=r"'fast' of op 'twice'.*float16.*use backend='auto'"):
        op(half, backend="fast")


def test_an_absent_implementation_is_passed_over_and_named(op):
    op.add(Implementation("gpu", marked("gpu"), absence=lambda: "needs a GPU"))
    op.add(Implementation("fast", marked("fast")))
    assert op(torch.ones(1))[0] == "fast"
    assert op.explain() == {"gpu": "needs a GPU", "fast": ""}
    with pytest.raises(NativeOpError, match="needs a GPU"):
        op(torch.ones(1), backend="gpu")


def test_tensors_in_nested_arguments_count():
    pair = Op(
        "pair", lambda x: "reference", [Implementation("fast", marked("f"), admit_cpu_float32)]
    )
    assert pair((torch.ones(1), (torch.ones(1, dtype=torch.float64),))) == "reference"


def test_names_are_known_and_unique(op):
    with pytest.raises(InvalidArgumentError, match="one of auto, reference"):
        op(torch.ones(1), backend="fast")
    op.add(Implementation("fast", marked("fast")))
    for name in ("fast", "auto", "reference"):
        with pytest.raises(InvalidArgumentError, match="a name other than"):
            op.add(Implementation(name, twice))


def test_every_op_explains_itself():
    ops = all_ops()
    names = [op.name for op in ops]
    assert len(set(names)) == len(names)
    assert {"bias_act", "modulated_conv2d", "upfirdn2d"} <= set(names)
    for op in ops:
        assert all(isinstance(reason, str) for reason in op.explain().values())
        assert op.explain()
