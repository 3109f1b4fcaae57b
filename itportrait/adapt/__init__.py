"""Adapt a generator to a style domain: reference images, a prompt, or both."""

from typing import TYPE_CHECKING

from itportrait.adapt.version import VERSION
from itportrait.lazy import lazy_exports

if TYPE_CHECKING:
    from itportrait.adapt.adapter import Adapter, mix_adapters
    from itportrait.adapt.config import AdaptConfig, misfits, resolve
    from itportrait.adapt.domain import DomainSpec
    from itportrait.adapt.fingerprint import adapt_fingerprint, former_fingerprint
    from itportrait.adapt.layers import LAYER_PRESETS
    from itportrait.adapt.loop import AdaptReport, AdaptResult, adapt_domain
    from itportrait.adapt.methods import METHODS
    from itportrait.adapt.references import Reference, load_references

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
    "misfits",
    "mix_adapters",
    "resolve",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "adapter": "Adapter mix_adapters",
        "config": "AdaptConfig misfits resolve",
        "domain": "DomainSpec",
        "layers": "LAYER_PRESETS",
        "fingerprint": "adapt_fingerprint former_fingerprint",
        "loop": "AdaptReport AdaptResult adapt_domain",
        "methods": "METHODS",
        "references": "Reference load_references",
    },
)
