"""itportrait: folders and buckets of portrait photos into 3D-consistent stylized portraits."""

import sys
from typing import TYPE_CHECKING

if sys.platform == "win32":  # locks, sockets and atomic links of files are those of Unix throughout
    raise ImportError("itportrait runs on Linux and macOS; on Windows use it within WSL 2")

if TYPE_CHECKING:
    from itportrait.bundle import load_bundle

__version__ = "0.1.0"
"""The one place of the version: `pyproject.toml` reads it, and a checkout that is not installed, as
`ray job submit --working-dir` makes it, has it too."""

__all__ = ["__version__", "load_bundle"]


def __getattr__(name: str):
    # `load_bundle` pulls torch in; `import itportrait` alone stays light for drivers and the CLI.
    if name == "load_bundle":
        from itportrait.bundle import load_bundle

        return load_bundle
    raise AttributeError(f"module 'itportrait' has no attribute {name!r}")
