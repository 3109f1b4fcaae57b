"""Pictures that people bring: their formats, colors, masks and tables, read safely."""
