"""Compare adaptation methods: methods x domains x seeds x portraits, scored alike, in tables."""
