"""Stylized pictures out of an output's tables: as files, WebDataset shards, or a dataset."""
