"""Triton kernels in tests: where they run, and what their compiler says without a GPU."""

import contextlib
import importlib

import pytest
import torch

from itportrait.kernels.running import interpreted
from itportrait.ops import gpu

DEVICE = "cpu" if interpreted() else "cuda"
"""Where kernels run in this process."""


def needs_kernels(test):
    """Mark a test of kernels: it runs on a GPU, or under Triton's interpreter."""
    reason = f"{gpu.absence()} (tests/ops/test_interpreted.py runs it)"
    return pytest.mark.gpu(pytest.mark.skipif(bool(gpu.absence()), reason=reason)(test))


@contextlib.contextmanager
def launches():
    """Collect the kernels that are started, with their arguments, instead of running them."""
    jit = importlib.import_module("triton.runtime.jit")
    seen = []
    with pytest.MonkeyPatch.context() as patch:

        def keep(self, *args, grid, warmup, **options):
            seen.append((self, dict(zip(self.arg_names, args)) | options))

        patch.setattr(jit.JITFunction, "run", keep)
        yield seen


def front_end(kernel, arguments):
    """Return what Triton's front end makes of a launch, for an H100; raises what it refuses.

    Later passes need no GPU either, but a minute.
    """
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from triton.compiler.compiler import ir, make_backend

    constants = {p.name: arguments[p.name] for p in kernel.params if p.is_constexpr}
    signature = {
        name: "constexpr" if name in constants else type_of(arguments[name])
        for name in kernel.arg_names
    }
    target = GPUTarget("cuda", 90, 32)
    backend = make_backend(target)
    options = backend.parse_options({"num_warps": arguments.get("num_warps", 4)})
    context = ir.context()
    ir.load_dialects(context)
    backend.load_dialects(context)
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    functions = backend.get_codegen_implementation(options)
    return str(source.make_ir(target, options, functions, backend.get_module_map(), context))


def type_of(value):
    """Return Triton's name of the type of an argument."""
    if isinstance(value, tuple):
        return type(value)(*(type_of(part) for part in value))
    if isinstance(value, torch.Tensor):
        names = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
        return f"*{names[value.dtype]}"
    return "fp32" if isinstance(value, float) else "i32"
