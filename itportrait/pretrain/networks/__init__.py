"""The networks of the embedded family in training: one file or folder each, and what they share."""
