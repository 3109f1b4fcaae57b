"""The page of a comparison of methods: pictures that turn, scores, a scatter, costs, failures."""

from typing import TYPE_CHECKING

from itportrait.lazy import lazy_exports

if TYPE_CHECKING:
    from itportrait.pages.comparison.data import (
        ComparedDomain,
        ComparedFailure,
        ComparedMethod,
        ComparedPicture,
        ComparedPortrait,
        ComparedScore,
        Comparison,
    )
    from itportrait.pages.comparison.page import render_comparison
    from itportrait.pages.measures import MEASURES, Measure, measure_of
    from itportrait.pages.views import Views, encode_views

__all__ = [
    "MEASURES",
    "ComparedDomain",
    "ComparedFailure",
    "ComparedMethod",
    "ComparedPicture",
    "ComparedPortrait",
    "ComparedScore",
    "Comparison",
    "Measure",
    "Views",
    "encode_views",
    "measure_of",
    "render_comparison",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "data": "ComparedDomain ComparedFailure ComparedMethod ComparedPicture ComparedPortrait "
        "ComparedScore Comparison",
        "itportrait.pages.measures": "MEASURES Measure measure_of",
        "itportrait.pages.views": "Views encode_views",
        "page": "render_comparison",
    },
)
