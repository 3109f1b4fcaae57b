"""Models that stay loaded: once a process, kept for the calls after."""

from functools import lru_cache

from itportrait.bundle.bundle import Bundle, load_bundle

# In an importable module, and not in `__main__`, so that the cache outlives a Ray task.


@lru_cache(maxsize=2)
def warm_bundle(uri: str, device: str) -> Bundle:
    """Return the models of a bundle on a device."""
    return load_bundle(uri).to(device)
