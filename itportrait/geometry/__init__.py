"""Cameras, rays and planes: the only code that knows their conventions."""
