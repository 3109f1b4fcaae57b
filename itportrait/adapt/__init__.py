"""Adapt a generator to a style domain: reference images, a prompt, or both."""

from typing import TYPE_CHECKING

from itportrait.lazy import lazy_exports

if TYPE_CHECKING:
    from itportrait.adapt.adapter import Adapter, mix_adapters
    from itportrait.adapt.config import AdaptConfig, DomainSpec, resolve
    from itportrait.adapt.fingerprint import adapt_fingerprint, former_fingerprint
    from itportrait.adapt.layers import LAYER_PRESETS
    from itportrait.adapt.loop import AdaptReport, AdaptResult, adapt_domain
    from itportrait.adapt.methods import METHODS
    from itportrait.adapt.references import Reference, load_references

VERSION = 1
"""Raised when the code of this stage changes its results: every domain is made anew."""

__all__ = [
    "LAYER_PRESETS",
    "METHODS",
    "VERSION",
    "AdaptConfig",
    "AdaptReport",
    "AdaptResult",
    "Adapter",
    "DomainSpec",
    "Reference",
    "adapt_domain",
    "adapt_fingerprint",
    "former_fingerprint",
    "load_references",
    "mix_adapters",
    "resolve",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "adapter": "Adapter mix_adapters",
        "config": "AdaptConfig DomainSpec resolve",
        "layers": "LAYER_PRESETS",
        "fingerprint": "adapt_fingerprint former_fingerprint",
        "loop": "AdaptReport AdaptResult adapt_domain",
        "methods": "METHODS",
        "references": "Reference load_references",
    },
)
