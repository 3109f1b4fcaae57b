"""Measure the embedded family on held-out people, whose truth is all known."""
