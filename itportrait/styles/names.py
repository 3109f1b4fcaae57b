"""Names of a style's files, for those that need no more than the names."""

STYLE_FILE = "adapter.safetensors"
"""File of a style in its version of a bank and in a saved model. Release 0.1 had styles of weights
alone and called them adapters; files of all kinds keep the name."""
CARD_FILE = "domain.json"
"""Card of a style beside its file. In a bank it holds a whole `BankVersion`; a style that is saved
by itself says there what its file's header says."""
