"""Bundles, banks and documents on an object store: read within bounds, inside of their place."""

import json

import pytest
import torch

from itportrait.bank.store import Bank, BankVersion
from itportrait.bundle import PerceptionSpec, load_bundle
from itportrait.bundle.spec import write_bundle
from itportrait.documents import MOST_BYTES
from itportrait.errors import InvalidArgumentError, MissingModelError
from itportrait.generator import save_generator
from itportrait.io import uris
from tests.helpers.object_store import object_store, upload
from tests.helpers.tiny_family import tiny_generator


@pytest.fixture(scope="module")
def bucket():
    with object_store("names") as uri:
        yield uri


def test_documents_are_read_up_to_their_bound(bucket):
    place = f"{bucket}/documents/a.json"
    assert uris.read_json(place) is None
    uris.put_bytes(place, b'{"a": 1}')
    assert uris.read_json(place) == {"a": 1}
    uris.put_bytes(place, b"")
    with pytest.raises(InvalidArgumentError, match="Expecting value"):
        uris.read_json(place)
    uris.put_bytes(place, b" " * (MOST_BYTES + 7))
    assert len(uris.read_bytes(place, most=MOST_BYTES + 1)) == MOST_BYTES + 1
    with pytest.raises(InvalidArgumentError, match="more than 16 MiB"):
        uris.read_json(place)


def test_a_bundle_is_fetched_into_its_own_folder_of_the_cache(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "cache"))
    save_generator(tiny_generator(), tmp_path / "tiny")
    write_bundle(
        tmp_path / "tiny", name="tiny", family="mini", license="none", perception=PerceptionSpec()
    )
    upload(tmp_path / "tiny", f"{bucket}/tiny")
    bundle = load_bundle(f"{bucket}/tiny")
    assert torch.equal(bundle.generator.w_avg, tiny_generator().w_avg)
    assert bundle.directory.parent == tmp_path / "cache" / "bundles"
    assert sorted(path.name for path in bundle.directory.iterdir()) == [
        "generator.safetensors",
        "model.json",
    ]
    model = json.loads(uris.read_bytes(f"{bucket}/tiny/model.json"))
    model["files"]["../../x"] = model["files"]["generator.safetensors"]
    uris.put_bytes(f"{bucket}/tiny/model.json", json.dumps(model).encode())
    with pytest.raises(InvalidArgumentError, match=r"relative path inside its own folder.*\.\./x"):
        load_bundle(f"{bucket}/tiny")
    assert len(list((tmp_path / "cache" / "bundles").iterdir())) == 1


def test_a_file_that_is_longer_than_it_says_is_not_fetched_whole(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "cache"))
    save_generator(tiny_generator(), tmp_path / "tiny")
    write_bundle(
        tmp_path / "tiny", name="tiny", family="mini", license="none", perception=PerceptionSpec()
    )
    upload(tmp_path / "tiny", f"{bucket}/long")
    uris.put_bytes(f"{bucket}/long/generator.safetensors", bytes(8 << 20))
    with pytest.raises(MissingModelError, match="is altered: its size or sha256"):
        load_bundle(f"{bucket}/long")
    left = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert left == []


def test_a_hostile_card_in_a_remote_bank_is_refused(bucket):
    bank = Bank(f"{bucket}/bank")
    bank.publish(BankVersion(domain="bronze", version="v1"), {"card.md": b"# card"})
    place = f"{bucket}/bank/bronze/v1/domain.json"
    card = json.loads(uris.read_bytes(place))
    uris.put_bytes(place, json.dumps({**card, "domain": "x/../../../../Y"}).encode())
    with pytest.raises(InvalidArgumentError, match="domain must be a name of letters"):
        bank.champion("bronze")
