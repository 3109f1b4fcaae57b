"""What every training of the embedded family shares.

`task.py` is what a training does in a step, and `loop.py` runs it within a budget, with
checkpoints. `data.py` reads the drawn portraits, and `augment.py` distorts them.
"""
