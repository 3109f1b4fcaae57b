"""Rays through tri-planes on a GPU, without anything kept of their samples."""
