"""Synthesis layers with 3 x 3 weights on a CPU, by convolutions of fewer products."""
