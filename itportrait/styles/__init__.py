"""Styles: what a version of a domain is, apart from how it was made."""

from typing import TYPE_CHECKING

from itportrait.lazy import lazy_exports

if TYPE_CHECKING:
    from itportrait.styles.codes import Codes, WeightDelta
    from itportrait.styles.deformed_style import DEFORMATIONS, DeformedStyle
    from itportrait.styles.file import StyleFile
    from itportrait.styles.generators import PreparedGenerator, join_renderings
    from itportrait.styles.kinds import STYLE_KINDS, load_style, read_style
    from itportrait.styles.latent_style import LatentStyle
    from itportrait.styles.portrait_style import PortraitStyle
    from itportrait.styles.stacked_style import StackedStyle
    from itportrait.styles.style import (
        BoundStyle,
        NoDensityError,
        PreparedStyle,
        Style,
        Volume,
        prepare_blend,
    )
    from itportrait.styles.weight_style import WeightStyle, mix_weight_styles

__all__ = [
    "DEFORMATIONS",
    "STYLE_KINDS",
    "BoundStyle",
    "Codes",
    "DeformedStyle",
    "LatentStyle",
    "NoDensityError",
    "PortraitStyle",
    "PreparedGenerator",
    "PreparedStyle",
    "StackedStyle",
    "Style",
    "StyleFile",
    "Volume",
    "WeightDelta",
    "WeightStyle",
    "join_renderings",
    "load_style",
    "mix_weight_styles",
    "prepare_blend",
    "read_style",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "codes": "Codes WeightDelta",
        "deformed_style": "DEFORMATIONS DeformedStyle",
        "file": "StyleFile",
        "generators": "PreparedGenerator join_renderings",
        "kinds": "STYLE_KINDS load_style read_style",
        "portrait_style": "PortraitStyle",
        "stacked_style": "StackedStyle",
        "latent_style": "LatentStyle",
        "style": "BoundStyle NoDensityError PreparedStyle Style Volume prepare_blend",
        "weight_style": "WeightStyle mix_weight_styles",
    },
)
