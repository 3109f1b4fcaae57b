"""Adapt a generator to a style domain: reference images, a prompt, or both."""

from typing import TYPE_CHECKING

from itportrait.lazy import lazy_exports

if TYPE_CHECKING:
    from itportrait.adapt.adapter import Adapter, interpolate_adapters, mix_adapters
    from itportrait.adapt.config import AdaptConfig, DomainSpec, resolve
    from itportrait.adapt.layers import LAYER_PRESETS
    from itportrait.adapt.loop import AdaptReport, AdaptResult, adapt_domain, adapt_fingerprint
    from itportrait.adapt.methods import METHODS
    from itportrait.adapt.references import Reference, load_references

__all__ = [
    "LAYER_PRESETS",
    "METHODS",
    "AdaptConfig",
    "AdaptReport",
    "AdaptResult",
    "Adapter",
    "DomainSpec",
    "Reference",
    "adapt_domain",
    "adapt_fingerprint",
    "interpolate_adapters",
    "load_references",
    "mix_adapters",
    "resolve",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "adapter": "Adapter interpolate_adapters mix_adapters",
        "config": "AdaptConfig DomainSpec resolve",
        "layers": "LAYER_PRESETS",
        "loop": "AdaptReport AdaptResult adapt_domain adapt_fingerprint",
        "methods": "METHODS",
        "references": "Reference load_references",
    },
)
