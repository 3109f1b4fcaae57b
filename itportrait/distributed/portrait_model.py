"""The loader that registered models of release 0.1 name: `itportrait.jobs.portrait_model`."""

from itportrait.jobs.portrait_model import _load_pyfunc

__all__ = ["_load_pyfunc"]
