"""Rays through tri-planes on a CPU, without anything kept of their samples."""
