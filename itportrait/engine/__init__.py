"""Shards through stages: what is committed stands, what fails is a row, and nothing is lost."""
