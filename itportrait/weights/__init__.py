"""Weights of models, read from files of anybody: formats, limits, and no code that runs."""
