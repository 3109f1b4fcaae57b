"""Models that stay loaded: once a process, kept for the calls after."""

from functools import lru_cache

from itportrait.bundle.bundle import Bundle, load_bundle
from itportrait.generator.precision import PrecisionName

# In an importable module, and not in `__main__`, so that the cache outlives a Ray task.


def warm_bundle(uri: str, device: str, precision: PrecisionName = "fp32") -> Bundle:
    """Return the models of a bundle on a device, the generator in a precision."""
    return _kept(uri, device, precision)


def precision_used(uri: str, device: str, precision: PrecisionName) -> str:
    """Return what the generator of a bundle that is kept computes with."""
    return warm_bundle(uri, device, precision).precision.used


# A cache has one entry for each way of writing the same call, so that all calls are written here.
@lru_cache(maxsize=2)
def _kept(uri: str, device: str, precision: PrecisionName) -> Bundle:
    return load_bundle(uri, device, precision)
