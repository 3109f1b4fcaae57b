"""Kernels: in Triton, which importing one imports, and C++ of ops that have several files."""
