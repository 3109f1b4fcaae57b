"""Names of release 0.1 for what is now `itportrait.styles`."""

from itportrait.styles.weight_style import WeightStyle, mix_weight_styles

Adapter = WeightStyle
mix_adapters = mix_weight_styles

__all__ = ["Adapter", "mix_adapters"]
