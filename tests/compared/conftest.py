"""The fixtures of an adaptation, and a set of pictures."""

import pytest

from itportrait.picture_sets import DrawnSet
from tests.helpers.adaptation import bundle, config, make_spec, reference

__all__ = ["bundle", "config", "make_spec", "pictures", "reference"]


@pytest.fixture(scope="package")
def pictures():
    """Return a set of four drawn clowns."""
    return DrawnSet("clown", 4, 32)
