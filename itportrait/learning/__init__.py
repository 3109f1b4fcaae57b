"""What everything that trains, fits or compares shares: seeded randomness, averages, copies,
distortions, intervals."""
