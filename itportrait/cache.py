"""Where this machine keeps what it can make or fetch again; to know it, no torch is imported."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder of built ops, bundles and networks: `ITPORTRAIT_CACHE`, else
    `~/.cache/itportrait`."""
    return Path(os.environ.get("ITPORTRAIT_CACHE") or Path.home() / ".cache" / "itportrait")
