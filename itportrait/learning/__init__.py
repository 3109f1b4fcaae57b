"""What everything that trains or fits shares: seeded randomness, averages, distortions."""
