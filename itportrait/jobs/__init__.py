"""What the jobs are, apart from whatever runs them."""
