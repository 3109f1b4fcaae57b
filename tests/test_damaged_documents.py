"""JSON and YAML that is damaged, in every place where one is read: only errors on purpose."""

import json
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from itportrait.bank.store import Bank, BankVersion
from itportrait.bundle import load_bundle
from itportrait.engine.poison_search import Search, read_search
from itportrait.errors import ItportraitError
from itportrait.io.commits import StageTable
from itportrait.io.lease import _read_holder
from itportrait.jobs.bank.spec import load_bank_spec
from itportrait.jobs.stylize.config import load_job
from itportrait.records import AlignedRecord
from itportrait.results.delivery import Delivery, read_delivery
from itportrait.stages.recipe import Recipe
from itportrait.stages.registry import CHAIN
from tests.conftest import REPOSITORY
from tests.helpers.mutations import mutations

*_, INVERT, STYLIZE = CHAIN

RELEASE = Path(__file__).parent / "data" / "release-0.1"
SLOWEST_S = 10.0


def read_job(place):
    load_job(str(place), input="photos", output="out")


def read_model(place):
    bundle = load_bundle(place.parent)
    bundle.verify()


def read_index(place):
    bank = Bank(str(place.parent))
    bank.domains()
    for domain in bank.index()["domains"]:
        bank.versions(domain)
        bank.find(domain, "f")


def read_card(place):
    version = Bank(str(place.parents[2])).read("bronze", "v1")
    version.reference_pictures()
    Recipe(stage=STYLIZE, output="out", config="", domain=version.domain, version=version.version)


def read_commit(place):
    table = StageTable(str(place.parents[1]), AlignedRecord)
    commit = table.read_commit(0)
    assert commit is not None
    assert table.read_commits([0, 1]).keys() <= {0}
    table.whole(commit, table.sizes())


def read_kept_search(place):
    recipe = Recipe(stage=INVERT, output=str(place.parents[3]), config="")
    found = read_search(recipe, 0, "t")
    if found is not None:
        assert all(0 <= start < stop <= found.items for start, stop in found.ranges)


CARD = asdict(BankVersion(domain="bronze", version="v1", fingerprint="f", base_model_id="m"))
LEASE = {
    "what": "a",
    "host": "elsewhere",
    "pid": 1,
    "process_started": "5",
    "token": "x",
    "since": "2026-01-01T00:00:00+00:00",
    "expires": "2026-01-01T00:01:00+00:00",
    "ttl_s": 60.0,
    "released": True,
}
YAMLS = [path.read_bytes() for path in sorted((REPOSITORY / "configs").glob("*.yaml"))]
DELIVERY = Delivery("f", 1, ("a/mesh.glb",), ({"file": "a", "type": "t", "message": "m"},))

PLACES = {
    "job": ("job.yaml", read_job, YAMLS),
    "bank specification": ("bank.yaml", lambda place: load_bank_spec(place), YAMLS),
    "model": ("model.json", read_model, [(RELEASE / "bundle/model.json").read_bytes()]),
    "index": ("bank.json", read_index, [(RELEASE / "bank/bank.json").read_bytes()]),
    "card": (
        "bronze/v1/domain.json",
        read_card,
        [
            json.dumps({**CARD, "references": ["references/000.png"]}).encode(),
            *(path.read_bytes() for path in sorted((RELEASE / "bank").glob("*/*/domain.json"))),
        ],
    ),
    "commit": (
        "_commits/00000.json",
        read_commit,
        [path.read_bytes() for path in sorted((RELEASE / "out").glob("**/_commits/*.json"))],
    ),
    "delivery": (
        "_commits/00000.json",
        lambda place: read_delivery(str(place)),
        [json.dumps(asdict(DELIVERY)).encode()],
    ),
    "search": (
        "inverted/_partial/00000/search.json",
        read_kept_search,
        [json.dumps(Search("t", 8, {(0, 4): 1, (4, 8): 0}, {2: ("a", "b")}).to_json()).encode()],
    ),
    "lease": (
        "00000000.json",
        lambda place: _read_holder(str(place)),
        [json.dumps(LEASE).encode()],
    ),
}


def outcome(read, place):
    """Read a file; return the error on purpose that came of it, if any."""
    start = time.monotonic()
    try:
        read(place)
        return None
    except (ItportraitError, FileNotFoundError) as error:
        return error
    finally:
        assert time.monotonic() - start < SLOWEST_S


@pytest.mark.parametrize("count", [150, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", PLACES)
def test_damage_gives_errors_on_purpose_alone(name, count, tmp_path):
    path, read, files = PLACES[name]
    place = tmp_path / path
    place.parent.mkdir(parents=True, exist_ok=True)
    refused = 0
    for data in mutations(files, count):
        place.write_bytes(data)
        refused += outcome(read, place) is not None
    assert refused or name == "search"  # a damaged search begins anew


@pytest.mark.parametrize("name", ["index", "commit", "delivery", "search", "lease"])
def test_the_undamaged_are_read(name, tmp_path):
    path, read, files = PLACES[name]
    place = tmp_path / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(files[0])
    assert outcome(read, place) is None


BOMBS = [b"[" * 1_000_000, b'{"a":' * 1_000_000, b'{"a":1,"a":2}', b"9" * 5000, b"\xff", b"", b"[]"]


@pytest.mark.parametrize(
    "name", ["model", "index", "card", "commit", "delivery", "search", "lease"]
)
def test_bombs_and_other_types_are_refused_everywhere(name, tmp_path):
    path, read, files = PLACES[name]
    place = tmp_path / path
    place.parent.mkdir(parents=True, exist_ok=True)
    whole = json.loads(files[0])
    others = [json.dumps({**whole, key: value}).encode() for key in whole for value in ("x", [[1]])]
    for number, data in enumerate([*BOMBS, *others]):
        place.write_bytes(data)
        error = outcome(read, place)
        assert len(str(error)) < 2000
        if number < len(BOMBS) and name != "search":
            assert isinstance(error, ItportraitError), data[:20]
