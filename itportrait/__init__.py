"""itportrait: folders and buckets of portrait photos into 3D-consistent stylized portraits."""

import importlib
import sys
from typing import TYPE_CHECKING

if sys.platform == "win32":  # locks, sockets and atomic links of files are those of Unix throughout
    raise ImportError("itportrait runs on Linux and macOS; on Windows use it within WSL 2")

if TYPE_CHECKING:
    from itportrait.bundle import load_bundle
    from itportrait.interactive import Domain, Portraits

__version__ = "0.1.0"
"""The one place of the version: `pyproject.toml` reads it, and a checkout that is not installed, as
`ray job submit --working-dir` makes it, has it too."""

__all__ = ["Domain", "Portraits", "__version__", "load_bundle"]

_HOMES = {
    "Domain": "itportrait.interactive",
    "Portraits": "itportrait.interactive",
    "load_bundle": "itportrait.bundle",
}


def __getattr__(name: str):
    # They pull torch in; `import itportrait` alone stays light for drivers and the CLI.
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'itportrait' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})  # notebooks complete names by it
