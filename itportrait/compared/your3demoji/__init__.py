"""Your3dEmoji: paired pictures by style mixing, learned there and back."""
