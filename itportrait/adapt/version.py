"""The version of this stage, which every fingerprint of a domain holds."""

VERSION = 1
"""Raised when the code of this stage changes its results: every domain is made anew."""
