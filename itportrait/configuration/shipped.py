"""The configurations that come with the package, by name: `demo` means their file `demo.yaml`."""

import os
from pathlib import Path

from itportrait.errors import UnknownNameError

FOLDER = Path(__file__).parent / "recipes"
"""Configurations and their reference pictures; in a checkout a link to `configs/`."""


def shipped_names() -> list[str]:
    """Return the names of the configurations that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find_config(text: str) -> str:
    """Return the path or URI of a configuration that is given by name, path or URI.

    Args:
        text: a word without slash and dot is the name of a shipped configuration, unless a file is
            called so; anything else is returned as it is.

    Raises:
        UnknownNameError: it is a word, and neither a file nor a name; lists the names.
    """
    if not text or "/" in text or "." in text or os.path.isfile(text):
        return text
    if text not in shipped_names():
        raise UnknownNameError("configuration", text, shipped_names())
    # In a checkout the same URIs come of a name and of the path in `configs/`.
    return str(FOLDER.resolve() / f"{text}.yaml")
