"""The embedded family: portraits that we draw, the networks trained on them, their weights."""
