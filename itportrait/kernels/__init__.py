"""Kernels in Triton, which importing one imports."""
