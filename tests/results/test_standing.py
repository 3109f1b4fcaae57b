"""Files that are made once: made again only if what they are made of has changed."""

import pytest

from itportrait.errors import ItportraitError
from itportrait.execution.executor import Call
from itportrait.io import uris
from itportrait.results.standing import Marker, make_once
from tests.helpers.here import HereExecutor


def test_files_stand_while_the_marker_bears_their_fingerprint(tmp_path):
    marker = Marker(str(tmp_path / "_commit.json"), "a1")
    assert not marker.stands
    marker.write(files=["x.png"], domains={"bronze": 2})
    assert marker.read() == {"fingerprint": "a1", "files": ["x.png"], "domains": {"bronze": 2}}
    assert Marker(marker.uri, "b2").read() is None
    marker.lift()
    assert not marker.stands
    marker.lift()


def test_a_damaged_marker_is_told_and_not_taken_for_none(tmp_path):
    marker = Marker(str(tmp_path / "_commit.json"), "a1")
    uris.put_bytes(marker.uri, b"[1]")
    with pytest.raises(ItportraitError, match=r"_commit\.json"):
        assert marker.stands


def test_what_stands_is_not_made_again(tmp_path):
    executor = HereExecutor()
    for fingerprint in ("a1", "a1", "b2"):
        marker = Marker(str(tmp_path / "_commit.json"), fingerprint)
        make_once(marker, executor, Call(function=marker.write, name=fingerprint))
    assert [call.name for call in executor.calls] == ["a1", "b2"]
