"""Training of the embedded model family: one file per network, and what they share.

`loop.py` runs any `Task` within a budget, with checkpoints; `data.py` reads the drawn portraits;
`optimizer.py` holds Muon. `workflows/pretrain_mini.py` gives the order.
"""
