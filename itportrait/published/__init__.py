"""Networks that others publish in Python packages: which there are, their terms, and a cache."""
