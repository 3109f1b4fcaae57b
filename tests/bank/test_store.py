"""The bank: one champion a domain, whole indexes under any number of writers, and a way back."""

import json
import shutil
import threading

import pytest

from itportrait.bank.store import Bank, BankVersion
from itportrait.errors import CheckpointError, InvalidArgumentError, NoInputError, UnknownNameError
from itportrait.io import uris


@pytest.fixture(params=["local", "memory"])
def bank(request, tmp_path):
    return Bank(str(tmp_path / "bank") if request.param == "local" else f"memory://{tmp_path}/bank")


def publish(bank, domain="bronze", version="v1", *, promote=True, **values):
    card = BankVersion(
        domain=domain,
        version=version,
        fingerprint=values.get("fingerprint", f"fp-{version}"),
        base_model_id="mini-1",
        spec={"prompt": "a bronze statue"},
        metrics={"identity": 0.8},
    )
    files = {"adapter.safetensors": version.encode(), "card.md": b"# card"}
    return bank.publish(card, files, promote=promote)


def test_published_version_reads_back(bank):
    version = publish(bank)
    assert bank.champion("bronze") == version
    assert version.spec["prompt"] == "a bronze statue"
    assert uris.read_bytes(uris.join(version.uri, "adapter.safetensors")) == b"v1"
    assert bank.domains() == ["bronze"]


def test_a_damaged_style_is_told_with_its_file_and_the_ways_on(bank):
    version = publish(bank)  # whose file is no style
    with pytest.raises(
        CheckpointError, match=r"bronze/v1/adapter\.safetensors: .*; adapt the domain again, or .*"
    ):
        version.style()


def test_unknown_domain_lists_the_known_ones(bank):
    publish(bank, "zombie")
    with pytest.raises(UnknownNameError, match="unknown domain 'bronz'; known: zombie"):
        bank.champion("bronz")
    with pytest.raises(NoInputError, match="no version"):
        bank.read("zombie", "v9")


def test_found_by_fingerprint_champion_first(bank):
    publish(bank, version="v1", fingerprint="same")
    publish(bank, version="v2", fingerprint="same")
    assert bank.find("bronze", "same").version == "v2"
    assert bank.find("bronze", "other") is None
    assert bank.find("none", "same") is None


def test_candidate_does_not_replace_the_champion(bank):
    publish(bank, version="v1")
    publish(bank, version="v2", promote=False)
    assert bank.champion("bronze").version == "v1"
    assert bank.versions("bronze") == ["v1", "v2"]
    bank.promote("bronze", "v2")
    assert bank.champion("bronze").version == "v2"
    with pytest.raises(UnknownNameError, match="unknown version 'v7'; known: v1, v2"):
        bank.promote("bronze", "v7")


def test_rollback_restores_the_former_champion_bit_for_bit(bank):
    first = publish(bank, version="v1")
    publish(bank, version="v2")
    assert bank.rollback("bronze") == "v1"
    assert bank.champion("bronze") == first
    with pytest.raises(InvalidArgumentError, match="former champion"):
        bank.rollback("bronze")


def test_prune_keeps_champion_predecessor_and_newest(bank):
    for number in range(6):
        publish(bank, version=f"v{number}", promote=number in (0, 1))
    assert bank.prune("bronze", keep=1) == ["v2", "v3", "v4"]
    assert bank.versions("bronze") == ["v0", "v1", "v5"]
    with pytest.raises(NoInputError):
        bank.read("bronze", "v3")
    assert bank.rollback("bronze") == "v0"


@pytest.mark.parametrize("name", ["", "a/b", "_index", ".hidden"])
def test_names_stay_inside_the_bank(bank, name):
    with pytest.raises(InvalidArgumentError):
        publish(bank, domain=name)


def test_many_writers_lose_no_version_and_no_reader_sees_half(tmp_path):
    bank, torn, stop = Bank(str(tmp_path)), [], threading.Event()
    publish(bank, "d0", "start")

    def read():
        while not stop.is_set():
            try:
                assert bank.index()["domains"]["d0"]["champion"]
            except Exception as error:
                torn.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    writers = [
        threading.Thread(target=publish, args=(Bank(bank.uri), f"d{w}", f"v{w}")) for w in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    stop.set()
    reader.join()
    assert torn == []
    assert bank.domains() == [f"d{w}" for w in range(8)]
    assert bank.versions("d0") == ["start", "v0"]


def test_writer_killed_before_bank_json_is_made_up_for(bank):
    publish(bank, version="v1")
    behind = uris.read_bytes(uris.join(bank.uri, "bank.json"))
    publish(bank, version="v2")
    uris.put_bytes(uris.join(bank.uri, "bank.json"), behind)
    publish(bank, version="v3")
    assert bank.versions("bronze") == ["v1", "v2", "v3"]


def test_a_bank_that_lost_bank_json_is_read_whole(bank):
    """The index is a copy of the newest of `_index`: no reader takes the bank for an empty one."""
    publish(bank, version="v1")
    publish(bank, version="v2")
    whole, shown = bank.index(), uris.join(bank.uri, "bank.json")
    uris.remove(shown)
    assert bank.existing().index() == whole
    assert (bank.champion("bronze").version, bank.versions("bronze")) == ("v2", ["v1", "v2"])
    assert (bank.find("bronze", "fp-v1").version, bank.domains()) == ("v1", ["bronze"])
    assert not uris.exists(shown)  # who only reads writes nothing
    assert bank.prune("bronze", keep=0) == []  # champion and predecessor
    assert uris.read_json(shown)["domains"] == whole["domains"]


@pytest.mark.parametrize("generation", [-5, 10**18])
def test_an_index_whose_number_has_no_next_is_not_changed_in_vain(tmp_path, generation):
    bank = Bank(str(tmp_path / "bank"))
    publish(bank, version="v1")
    publish(bank, version="v2")
    index = bank.index() | {"generation": generation}
    shutil.rmtree(tmp_path / "bank" / "_index")
    (tmp_path / "bank" / "bank.json").write_text(json.dumps(index))
    with pytest.raises(InvalidArgumentError, match="generation of the index"):
        bank.promote("bronze", "v1")
    assert bank.champion("bronze").version == "v2"


def test_a_bank_whose_index_is_no_file(tmp_path):
    (tmp_path / "bank" / "bank.json").mkdir(parents=True)
    with pytest.raises(InvalidArgumentError, match="must be a file, got a folder"):
        Bank(str(tmp_path / "bank")).index()
    (tmp_path / "file").write_text("no folder")
    assert Bank(str(tmp_path / "file")).domains() == []
