"""The embedded family: portraits that we draw, and the weights of the networks trained on them."""
