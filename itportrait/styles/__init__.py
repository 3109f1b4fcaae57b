"""Styles: what a version of a domain is, apart from how it was made."""

from typing import TYPE_CHECKING

from itportrait.lazy import lazy_exports

if TYPE_CHECKING:
    from itportrait.styles.weight_style import WeightStyle, mix_weight_styles

__all__ = ["WeightStyle", "mix_weight_styles"]

__getattr__ = lazy_exports(__name__, {"weight_style": "WeightStyle mix_weight_styles"})
