"""Bilinear samples of tri-planes on a CPU."""
