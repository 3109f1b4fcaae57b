"""The same tables on an object store: one put, an exclusive marker, and the same bytes."""

import pytest

from itportrait.bank.store import Bank, BankVersion
from itportrait.engine.work import ShardTask, run_shard
from itportrait.errors import LeaseHeldError
from itportrait.ingest import list_sources
from itportrait.io import uris
from itportrait.io.commits import CommitTakenError
from itportrait.io.lease import Lease
from itportrait.stages.shards import iter_shards
from tests.engine.fake_stages import chain


def test_create_has_one_winner(s3):
    uri = f"{s3}/markers/0.json"
    uris.create_bytes(uri, b"1")
    with pytest.raises(FileExistsError):
        uris.create_bytes(uri, b"2")
    assert uris.read_bytes(uri) == b"1"
    assert uris.list_names(f"{s3}/markers") == ["0.json"]


def test_same_rows_same_bytes_as_on_a_disk(s3, photos, tmp_path):
    folder = photos("a.png", "b.png", "broken.png")
    shards = list(iter_shards(list_sources(str(folder), patterns=["*"]), 2))
    here, there = chain(tmp_path / "out"), chain(f"{s3}/out")
    for recipes in (here, there):
        for recipe in recipes:
            for shard in shards:
                run_shard(recipe, ShardTask(shard))
    for local, remote in zip(here, there):
        assert local.table().shards() == remote.table().shards()
        pairs = zip(local.table().commits(), remote.table().commits())
        for mine, other in pairs:
            assert {k: (e.path, e.sha256) for k, e in mine.files.items()} == {
                k: (e.path, e.sha256) for k, e in other.files.items()
            }
            assert mine.outputs == other.outputs
        assert set(local.table().sizes()) == set(remote.table().sizes())


def test_second_writer_loses_there_too(s3, photos, tmp_path):
    folder = photos("a.png")
    (shard,) = iter_shards(list_sources(str(folder), patterns=["*"]), 2)
    align = chain(f"{s3}/race")[0]
    commit = run_shard(align, ShardTask(shard))
    standing = align.table().read_commit(0)
    assert standing is not None
    with pytest.raises(CommitTakenError):
        align.table().commit(standing)
    assert align.table().read_commit(0) == standing
    assert run_shard(align, ShardTask(shard)).outputs == commit.outputs


def test_lease_and_bank(s3):
    root = f"{s3}/leased"
    with Lease(root, what="a"), pytest.raises(LeaseHeldError), Lease(root, what="b"):
        pass
    bank = Bank(f"{s3}/bank")
    for version in ("v1", "v2"):
        bank.publish(BankVersion(domain="bronze", version=version), {"adapter.safetensors": b"1"})
    assert bank.rollback("bronze") == "v1"
    assert bank.versions("bronze") == ["v1", "v2"]


def test_keys_with_empty_folders_are_keys(s3):
    uri = f"{s3}/a//b.png"
    uris.put_bytes(uri, b"1")
    assert uris.read_bytes(uri) == b"1"
    assert uris.read_many([uri]) == {uri: b"1"}
    uris.remove(uri)
    assert not uris.exists(uri)
