"""Fixtures of the engine's and the bank's tests."""

import pytest

from tests.helpers.tiny_folder import write_tiny_bundle


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """The folder of a tiny model bundle, never written to."""
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_bundle(folder)
    return folder
