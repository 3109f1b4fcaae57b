"""The style bank: versions of adapted domains, the gate between them, and their cards."""
