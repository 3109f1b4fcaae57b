"""Training of the embedded model family: one file or folder per network, and what they share.

`task.py` is what every training does in a step, and `loop.py` runs it within a budget, with
checkpoints. `data.py` reads the drawn portraits. `run.py` knows how each network is built, and in
which order.
"""
