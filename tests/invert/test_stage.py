"""What the rows of the invert stage are known by: its settings, its version and its method's."""

import pytest

from itportrait.invert.config import InvertConfig
from itportrait.invert.methods import INVERSIONS
from itportrait.invert.w_plus import WPlusInversion
from itportrait.stages.recipe import Recipe


@pytest.fixture
def fingerprint(monkeypatch):
    """Returns the fingerprint of the stage where the method `guess` has a version."""

    def known(version=1, method="guess"):
        guess = type("Guess", (WPlusInversion,), {"VERSION": version})
        monkeypatch.setattr(INVERSIONS, "_items", {**INVERSIONS._items, "guess": guess})
        config = InvertConfig(method=method).model_dump_json()
        return Recipe(stage="invert", output="out", config=config, model_id="m").fingerprint

    return known


def test_another_version_of_the_method_is_another_fingerprint(fingerprint):
    assert len({fingerprint(version) for version in (1, 2, 3)}) == 3
    assert fingerprint(2, method="w_plus") == fingerprint(1, method="w_plus")


@pytest.mark.parametrize(
    ("method", "known"),
    [("w_plus", "7dc250186b57b6a1"), ("w", "9ba38fbcb0360bf3")],
)
def test_first_versions_are_not_hashed_so_that_rows_of_former_releases_stay(
    fingerprint, method, known
):
    assert fingerprint(method=method) == known
