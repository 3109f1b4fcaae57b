"""A tiny bundle in a folder, and a cache of its own in which its relevances lie."""

import pytest

from itportrait.bundle import load_bundle
from itportrait.editing.styleclip.config import RelevanceConfig
from itportrait.editing.styleclip.relevances import load_relevances
from tests.helpers.tiny_folder import write_tiny_bundle

FEW = RelevanceConfig(samples=2, statistics_samples=64, batch=2)


@pytest.fixture(scope="package")
def cache(tmp_path_factory):
    """Return the cache folder of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("ITPORTRAIT_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="package")
def tiny(tmp_path_factory):
    """Return a whole bundle with random weights."""
    folder = tmp_path_factory.mktemp("tiny") / "bundle"
    write_tiny_bundle(folder)
    return load_bundle(folder)


@pytest.fixture(scope="package")
def found(tiny, cache):
    """Return the bundle's relevances, which are measured once for all tests."""
    return load_relevances(tiny, FEW)
