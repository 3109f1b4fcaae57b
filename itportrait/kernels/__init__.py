"""Triton kernels: tensors in, tensors out; whoever imports one imports Triton."""
