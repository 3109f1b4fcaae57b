"""The decoder of a tri-plane generator on a CPU, by the vectors that rays are rendered with."""
