"""The runtime of the embedded family: words and samples of drawn people, and its weights."""
