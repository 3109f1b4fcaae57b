"""Storage: files by URI, Parquet tables with commits, and leases."""
