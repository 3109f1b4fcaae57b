"""Figures of a model family, measured on held-out people, and the card they are written on."""
