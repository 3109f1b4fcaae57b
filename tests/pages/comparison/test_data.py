"""A comparison refuses names that its page could not place."""

import pytest

from itportrait.errors import InvalidArgumentError
from itportrait.pages.comparison import (
    ComparedDomain,
    ComparedFailure,
    ComparedMethod,
    ComparedPortrait,
    ComparedScore,
    Comparison,
)

METHODS = (ComparedMethod("a"), ComparedMethod("b"))
DOMAINS = (ComparedDomain("bronze"),)
PORTRAITS = (ComparedPortrait("anna"),)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": (*METHODS, ComparedMethod("a"))}, "methods must be distinct names"),
        ({"domains": DOMAINS * 2}, "domains must be distinct names"),
        ({"portraits": PORTRAITS * 2}, "portraits must be distinct names"),
        ({"scores": [ComparedScore("c", "kid", "truth", 1.0)]}, "label of scores"),
        ({"scores": [ComparedScore("a", "kid", "rumor", 1.0)]}, "source of scores"),
        ({"failures": [ComparedFailure("a", "zombie", "no")]}, "domain of failures"),
    ],
)
def test_names_that_cannot_be_placed_are_refused(changes, message):
    given = {"methods": METHODS, "domains": DOMAINS, "portraits": PORTRAITS, **changes}
    with pytest.raises(InvalidArgumentError, match=message):
        Comparison(**given)
