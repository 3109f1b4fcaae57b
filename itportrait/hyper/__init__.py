"""Inversion by a hyper-network: what it changes of a generator, and its passes over a batch."""
