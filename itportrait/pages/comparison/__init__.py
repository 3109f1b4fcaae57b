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
        Views,
    )
    from itportrait.pages.comparison.page import render_comparison
    from itportrait.pages.comparison.views import encode_views
    from itportrait.pages.measures import MEASURES, Measure, measure_of

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
        "ComparedScore Comparison Views",
        "itportrait.pages.measures": "MEASURES Measure measure_of",
        "page": "render_comparison",
        "views": "encode_views",
    },
)
