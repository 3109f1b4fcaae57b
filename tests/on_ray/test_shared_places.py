"""Places that the machines of a cluster share or do not share, on a real Ray."""

import os

import pytest

from itportrait.errors import InvalidArgumentError
from itportrait.on_ray import shared_places


def test_nodes_are_asked_what_they_see(ray_cluster, tmp_path):
    """One machine stands in for two; a path that is gone, for one that only the driver sees."""
    (node,) = [node["NodeID"] for node in ray_cluster.nodes() if node["Alive"]]
    nodes = {node: "127.0.0.1"}
    here, gone = str(tmp_path), str(tmp_path / "gone")
    assert shared_places._ask(nodes, {"--output": here}) == {}
    assert shared_places._ask(nodes, {"--output": here, "--bank": gone}) == {
        "127.0.0.1": ["--bank"]
    }
    shared_places.check_shared({"--output": gone})  # this machine alone: nothing to ask
    assert not os.path.exists(gone)


def test_what_is_not_shared_is_refused_and_leaves_nothing(ray_cluster, tmp_path, monkeypatch):
    (node,) = [node["NodeID"] for node in ray_cluster.nodes() if node["Alive"]]
    monkeypatch.setattr(shared_places, "_other_nodes", lambda: {node: "10.0.0.7"})
    bank = tmp_path / "bank"
    bank.mkdir()
    (bank / "bank.json").write_text("{}")
    bank.chmod(0o555)  # a bank that stands may be read-only
    shared = {"--output": f"{tmp_path}/out", "--bank": str(bank), "--input": f"{tmp_path}/*.jpg"}
    shared_places.check_shared({**shared, "bundle": "", "tracking.uri": "http://h"})
    assert os.listdir(tmp_path / "out") == []
    assert os.listdir(bank) == ["bank.json"]
    monkeypatch.setattr(
        shared_places, "_existing", lambda path: path.replace(str(tmp_path), "/other")
    )
    with pytest.raises(InvalidArgumentError, match=r"--bank .*share.*10\.0\.0\.7 does not see"):
        shared_places.check_shared(shared)
    assert os.listdir(tmp_path / "out") == []
