"""What makes the weights of the embedded family: datasets, and the training of its networks.

`run.py` knows how each of `networks` is built, and in which order they are trained.
"""
