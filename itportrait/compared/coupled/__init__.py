"""Couplings: the guides of several methods train one copy of the generator together."""
