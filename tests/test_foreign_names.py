"""Hostile names in files of others: nothing is read, written or removed outside of their folder."""

import contextlib
import copy
import io
import json
import tarfile
from dataclasses import asdict

import fsspec
import numpy as np
import pytest

from itportrait.adapt import AdaptConfig, DomainSpec
from itportrait.align import AlignConfig
from itportrait.bank.store import Bank
from itportrait.bank.version import BankVersion, read_version
from itportrait.bundle import load_bundle
from itportrait.errors import ItportraitError
from itportrait.image import encode
from itportrait.ingest import list_sources
from itportrait.io import uris
from itportrait.io.commits import Commit, FileEntry, StageTable
from itportrait.photos.files import read_source
from itportrait.records import AlignedRecord, InvertedRecord, Source, StylizedRecord
from itportrait.results import delivery
from itportrait.results.delivery import DeliveryTask, deliver, read_delivery, sweep
from itportrait.stages.recipe import Recipe, stage_table
from itportrait.stages.registry import CHAIN
from itportrait.stages.shards import Shard
from itportrait.stylize import DeliverablesConfig, StylizeConfig, Stylizer
from itportrait.training.domain_job import DomainJob
from itportrait.training.files import read_result
from tests.conftest import REPOSITORY
from tests.helpers.foreign import SECRET, Watch, hostile_names, make_outside, plant_links
from tests.helpers.tables import commit_rows
from tests.helpers.tiny_family import own_samples, tint, tiny_bundle

ALIGN, INVERT, STYLIZE = CHAIN

COUNT = 500
MODEL = json.loads((REPOSITORY / "itportrait/mini/weights/model.json").read_text())
ENTRY = {"sha256": "0" * 64, "bytes": len(SECRET)}


@pytest.fixture
def outside(tmp_path):
    return make_outside(tmp_path / "outside")


def refused(call, *arguments):
    """Call; every error on purpose is an answer, and so is a file that is not there or a folder."""
    with contextlib.suppress(ItportraitError, OSError):
        found = call(*arguments)
        assert SECRET not in (found if isinstance(found, bytes) else repr(found).encode())


def bundles(name, kind):
    """Yield models that name a file in each of the places where a model can."""
    for place in ("files", "generator", "perceptual", "identity", "encoder", "clip"):
        model = copy.deepcopy(MODEL)
        if place == "files":
            model["files"] = {name: ENTRY}
        elif place == "generator":
            model["generator"]["file"] = name
        elif place == "clip":
            model["perception"]["clips"][0]["path"] = name
        elif kind == "remote" or not name.startswith("/"):
            model["perception"][f"{place}_path"] = name
        yield model


@pytest.mark.parametrize("kind", ["local", "remote"])
def test_names_in_a_bundle(kind, tmp_path, outside, monkeypatch):
    own, cache = tmp_path / "bundle", tmp_path / "cache"
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(cache))
    plant_links(own, outside)
    remote = fsspec.filesystem("memory")
    watch = Watch(tmp_path, own, cache)
    with watch():
        for number, name in enumerate(hostile_names(COUNT, outside, seed=1)):
            uri = str(own) if kind == "local" else f"memory://foreign{tmp_path}/{number}"
            models = list(bundles(name, kind))
            model = models[number % len(models)]
            text = json.dumps(model).encode()
            if kind == "local":
                (own / "model.json").write_bytes(text)
            else:
                remote.pipe_file(f"{uri}/model.json", text)
                with contextlib.suppress(OSError, UnicodeEncodeError):
                    remote.pipe_file(f"{uri}/{name}", SECRET)
            with contextlib.suppress(ItportraitError):
                bundle = load_bundle(uri)
                refused(bundle.verify)
                for part in ("generator", "perceptual", "identity", "encoder", "clips"):
                    refused(getattr, bundle, part)
    watch.check()


def test_a_remote_bundle_names_nothing_of_this_machine(tmp_path, outside, monkeypatch):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "cache"))
    model = copy.deepcopy(MODEL)
    model["files"] = {}
    model["perception"]["identity_path"] = str(outside / "secret")
    uri = f"memory://foreign{tmp_path}"
    fsspec.filesystem("memory").pipe_file(f"{uri}/model.json", json.dumps(model).encode())
    with pytest.raises(ItportraitError, match=r"must be paths inside the bundle, got .*secret"):
        load_bundle(uri)


def card(**values):
    known = {"domain": "bronze", "version": "v1", "fingerprint": "f", "base_model_id": "mini-1"}
    return {**asdict(BankVersion(**known)), **values}


def index_of(domain="bronze", version="v1", champion="v1", former=()):
    about = {"number": 0, "fingerprint": "f", "base_model_id": "mini-1"}
    versions = {version: about, "v0": about}
    entry = {"champion": champion, "former": list(former), "versions": versions}
    return {"schema": 1, "generation": 0, "domains": {domain: entry}}


def banks(name):
    """Yield cards and indexes that hold a name in each of the places where they can."""
    yield card(domain=name), index_of()
    yield card(version=name), index_of()
    yield card(references=[name]), index_of()
    yield card(), index_of(domain=name)
    yield card(), index_of(version=name, champion=name)
    yield card(), index_of(champion=name)
    yield card(), index_of(former=[name])


def use_bank(bank, other, name):
    """Do with a foreign bank whatever the program does with one."""
    refused(bank.domains)
    for domain in ("bronze", name):
        refused(lambda domain=domain: bank.champion(domain).reference_pictures())
        refused(lambda domain=domain: uris.read_bytes(bank.champion(domain).file(name)))
        refused(bank.read, domain, name)
        refused(bank.find, domain, "f")
        refused(lambda domain=domain: other.adopt(bank.champion(domain)))
        refused(bank.promote, domain, name)
        refused(bank.rollback, domain)
        refused(lambda domain=domain: bank.prune(domain, keep=0))
    refused(stage_table, str(other.uri), STYLIZE, name)
    refused(lambda: Recipe(stage=STYLIZE, output=other.uri, config="", domain=name).table())


@pytest.mark.parametrize("kind", ["local", "remote"])
def test_names_in_a_bank(kind, tmp_path, outside):
    own, others = tmp_path / "bank", tmp_path / "mine"
    folder = own / "bronze" / "v1"
    plant_links(folder, outside)
    bank = Bank(str(own) if kind == "local" else f"memory://foreign{tmp_path}")
    watch = Watch(tmp_path, own, others)
    with watch():
        for number, name in enumerate(hostile_names(COUNT, outside, seed=2)):
            about, index = list(banks(name))[number % 7]
            for path in ("_index/00000000.json", "_index/00000001.json", "_index/00000002.json"):
                refused(uris.remove, uris.join(bank.uri, path))
            uris.put_bytes(uris.join(bank.uri, "bank.json"), json.dumps(index).encode())
            uris.put_bytes(uris.join(bank.uri, "bronze/v1/domain.json"), json.dumps(about).encode())
            use_bank(bank, Bank(str(others)), name)
    watch.check()


def test_an_adopted_version_brings_no_file_that_a_link_leads_to(tmp_path, outside):
    bank = Bank(str(tmp_path / "bank"))
    bank.publish(BankVersion(domain="bronze", version="v1"), {"card.md": b"# card"})
    (tmp_path / "bank/bronze/v1/key").symlink_to(outside / "secret")
    with pytest.raises(ItportraitError, match="symbolic link leads to"):
        Bank(str(tmp_path / "mine")).adopt(bank.champion("bronze"))
    assert not (tmp_path / "mine").exists()


def remove_former(table, former, commit):
    table.commit(commit, replaces=former)


def test_a_training_in_a_bank_brings_no_file_that_a_link_leads_to(tmp_path, outside):
    spec = DomainSpec(name="bronze", mode="text", prompt="bronze")
    job = DomainJob(
        bundle="mini", spec=spec, adapt=AdaptConfig(), align=AlignConfig(), fingerprint="f"
    )
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    about = {"base_model_id": "m", "metrics": {"steps": 3, "identity": 0.5}, "info": {}}
    (folder / "result.json").write_text(json.dumps(about))
    (folder / "card.md").write_bytes(b"# card")
    trained = read_result(job, folder)
    assert trained.files == {"card.md": b"# card"}
    assert trained.metrics == about["metrics"]
    (folder / "key").symlink_to(outside / "secret")
    with pytest.raises(ItportraitError, match="symbolic link leads to"):
        read_result(job, folder)


def test_names_in_markers(tmp_path, outside):
    own = tmp_path / "out"
    table = StageTable(str(own), AlignedRecord)
    plant_links(own, outside)
    watch = Watch(tmp_path, own)
    with watch():
        for name in hostile_names(COUNT, outside, seed=3):
            commit = Commit(stage=ALIGN, shard=0, fingerprint="f", recipe="r", outputs="o")
            files = {"records": FileEntry(name, len(SECRET), "0" * 64, 1)}
            hostile = {**asdict(commit), "files": {"records": asdict(files["records"])}}
            uris.put_bytes(table.marker(0), json.dumps(hostile).encode())
            refused(table.read_commit, 0)
            unread = Commit(**{**vars(commit), "files": files})
            refused(table.read_rows, unread)
            refused(remove_former, table, unread, commit)
            marker = f"{own}/_commits/00009.json"
            delivery = {"fingerprint": "f", "portraits": 1, "files": [name], "stale": [name]}
            uris.put_bytes(marker, json.dumps(delivery).encode())
            refused(read_delivery, marker)
            refused(lambda: sweep(str(own), 0, stale=True))
    watch.check()


def test_names_in_a_table_of_portraits(tmp_path, outside, monkeypatch):
    names = list(dict.fromkeys(hostile_names(2 * COUNT, outside, seed=4)))
    names = [name for name in names if name.isprintable()][:COUNT]
    picture = np.full((16, 16, 3), 90, np.uint8)
    (tmp_path / "photo.png").write_bytes(encode(picture))
    place = {"camera": np.zeros(25), "crop": np.array([0.0, 0, 16])}
    output = tmp_path / "out"
    shard = Shard(0, (Source(uri=str(tmp_path / "photo.png")),))
    photos = [
        AlignedRecord(record_id=name, uri=str(tmp_path / "photo.png"), pixels=picture, **place)
        for name in names
    ]
    bundle = tiny_bundle()
    maker = Stylizer(StylizeConfig(views_deg=(), metrics=False), bundle, {"d": tint(bundle, 0)})
    monkeypatch.setattr(delivery, "build_stylizer", lambda recipe: maker)
    (person,), (code,) = own_samples(bundle, 1)
    code = {"camera": person.camera, "w_plus": code.flatten().numpy()}
    codes = [InvertedRecord(record_id=name, **code) for name in names]
    styled = [
        StylizedRecord(record_id=name, domain="d", version="1", pixels=(picture,)) for name in names
    ]
    rows = {ALIGN: photos, INVERT: codes, STYLIZE: styled}
    for stage, records in rows.items():
        recipe = Recipe(stage=stage, output=str(output), config="", domain="d" * (stage == STYLIZE))
        commit_rows(recipe, 0, records, keys=[str(number) for number in range(len(records))])
    root = output / "deliverables" / "domain=d"
    plant_links(root, outside)
    watch = Watch(tmp_path, root, tmp_path / "photo.png", *output.glob("*ed"))
    with watch():
        config = DeliverablesConfig(pasted=True)
        made = deliver(DeliveryTask(config=config, recipe=recipe, shard=shard))
    watch.check()
    assert made is not None
    assert made.portraits == len(names)
    assert len(made.files) + len(made.errors) == len(names)
    assert {"InvalidArgumentError"} <= {error["type"] for error in made.errors}


def test_names_in_an_archive(tmp_path, outside):
    own = tmp_path / "archives"
    plant_links(own, outside)
    picture = encode(np.full((8, 8, 3), 90, np.uint8))
    names = hostile_names(COUNT, outside, seed=5)
    with tarfile.open(own / "photos.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        for number, name in enumerate(names):
            member = tarfile.TarInfo(f"{name}.png" if number % 2 else "safe.png")
            member.size = len(picture)
            if number % 4 == 2:
                member.type, member.linkname, member.size = tarfile.SYMTYPE, name, 0
            elif number % 4 == 0:
                member.type, member.linkname, member.size = tarfile.LNKTYPE, name, 0
            with contextlib.suppress(ValueError, UnicodeEncodeError):  # no tar file has this name
                archive.addfile(member, io.BytesIO(picture))
    watch = Watch(tmp_path, own)
    with watch():
        sources = list(list_sources(str(own / "photos.tar")))
        contents = []
        for source in sources:
            with contextlib.suppress(ItportraitError, OSError):
                contents.append(read_source(source))
    watch.check()
    assert len(contents) > 100
    assert set(contents) == {picture}


def test_a_card_must_be_that_of_its_folder(tmp_path):
    bank = Bank(str(tmp_path))
    bank.publish(BankVersion(domain="bronze", version="v1", fingerprint="f"), {})
    place = tmp_path / "bronze" / "v1" / "domain.json"
    good = json.loads(place.read_text())
    for key, value, said in (
        ("domain", "clay", "must be the card of bronze v1, got that of clay v1"),
        ("domain", "x/../../../../Y", "domain must be a name of letters, digits"),
        ("version", "v2", "must be the card of bronze v1, got that of bronze v2"),
        ("fingerprint", "other", "must be 'f', as the index says, got 'other'"),
        ("base_model_id", "other", "as the index says, got 'other'"),
        ("references", ["../../x"], "must be a relative path inside its own folder"),
        ("spec", "text", "must be a valid bank version, got spec"),
        ("spec", {"prompt": ["a", "b"]}, r"spec of .*prompt: Input should be a valid string"),
        ("info", {"training": {"psnr": "high"}}, r"info of .*training.psnr: Input should be"),
    ):
        place.write_text(json.dumps({**good, key: value}))
        with pytest.raises(ItportraitError, match=said):
            bank.champion("bronze")
    place.write_text(json.dumps(good))
    assert read_version(str(tmp_path / "bronze" / "v1")) == bank.champion("bronze")
