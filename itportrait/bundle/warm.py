"""Models that stay loaded: once a process, kept for the calls after."""

from functools import lru_cache

from itportrait.bundle.bundle import Bundle, load_bundle
from itportrait.generator.precision import PrecisionName

# In an importable module, and not in `__main__`, so that the cache outlives a Ray task.


@lru_cache(maxsize=2)
def warm_bundle(uri: str, device: str, precision: PrecisionName = "fp32") -> Bundle:
    """Return the models of a bundle on a device, the generator in a precision."""
    return load_bundle(uri, device, precision)
