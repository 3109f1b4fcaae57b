"""Names of a style's files, for those that need no more than the names."""

STYLE_FILE = "adapter.safetensors"
"""File of a style in its version of a bank and in a saved model. Release 0.1 had styles of weights
alone and called them adapters; files of all kinds keep the name."""
CARD_FILE = "domain.json"
"""What a folder of a style says about it to people and to the bank."""
