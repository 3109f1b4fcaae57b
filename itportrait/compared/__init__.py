"""Adaptation methods that ITportrait is compared with, and what they share."""
