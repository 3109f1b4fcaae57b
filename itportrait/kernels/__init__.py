"""Kernels, tensors in and tensors out: Triton for GPUs, which imports Triton, and C++ for CPUs."""
