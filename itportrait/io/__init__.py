"""Storage: files by URI, Parquet with commits, foreign checkpoints and photos."""
