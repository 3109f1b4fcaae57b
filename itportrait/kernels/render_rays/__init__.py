"""Rays through tri-planes, without anything kept of their samples: on a GPU, and on a CPU."""
