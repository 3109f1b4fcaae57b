"""Storage: files by URI, Parquet tables with commits, leases, and pictures of any format."""
