"""Rays through tri-planes: sample, decode, composite."""
