"""What release 0.1 left behind is read, resumed and served by today's program."""

import glob
import json
import shutil
from pathlib import Path

import duckdb
import numpy as np
import polars
import pyarrow.parquet as pq
import pytest

from itportrait.adapt import Adapter
from itportrait.bank.store import Bank
from itportrait.bundle import load_bundle
from itportrait.image import encode
from itportrait.io import uris
from itportrait.io.commits import StageTable, read_committed
from itportrait.records import AlignedRecord, InvertedRecord, Status, StylizedRecord
from tests.conftest import REPOSITORY
from tests.helpers.former_release import run_job
from tests.helpers.object_store import object_store, upload

RELEASE = Path(__file__).parents[1] / "data" / "release-0.1"
TABLES = {
    "aligned": AlignedRecord,
    "inverted": InvertedRecord,
    "stylized/domain=zombie": StylizedRecord,
    "stylized/domain=bronze": StylizedRecord,
}


@pytest.fixture(scope="module")
def run_data():
    return json.loads((RELEASE / "out/run.json").read_text())


def test_bundle_has_its_model_id(run_data):
    bundle = load_bundle(RELEASE / "bundle")
    assert bundle.model_id == run_data["models"]["id"]
    bundle.verify()
    assert bundle.generator.num_ws > 0
    assert bundle.clips
    assert bundle.encoder is not None


@pytest.mark.parametrize(("folder", "kind"), TABLES.items())
def test_rows_are_read_with_their_pictures(folder, kind):
    rows = list(read_committed(str(RELEASE / "out" / folder), kind, pixels=True))
    good = [row for row in rows if row.status is Status.OK]
    assert len(good) == 3
    assert len(rows) == (4 if kind is AlignedRecord else 3)
    assert all(row.pixels is not None and len(row.pixels) for row in good)


def lines_for_former_tables():
    """Return the expressions of docs/data.md, each with the folder's name as `OUT`."""
    page = (REPOSITORY / "docs" / "data.md").read_text()
    block = page.partition('old = "OUT')[2].partition("```")[0]
    return ('old = "OUT' + block).splitlines()


@pytest.mark.parametrize("went_on", [False, True])
@pytest.mark.parametrize("kind", ["records", "pixels"])
def test_one_line_reads_the_tables_of_all_domains(kind, went_on, tmp_path, monkeypatch):
    """Also where one domain was computed again, so that its files lie at the place of today."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    shutil.copytree(RELEASE / "out", tmp_path / "OUT")
    table = tmp_path / "OUT" / "stylized"
    if went_on:
        for name in ("records", "pixels"):
            (table / name).mkdir()
            (table / "domain=zombie" / name).rename(table / name / "style=zombie")
    first, *lines = [line.replace("records", kind) for line in lines_for_former_tables()]
    monkeypatch.chdir(tmp_path)
    names = {"datasets": datasets, "duckdb": duckdb, "glob": glob, "pl": polars, "pq": pq}
    exec(first, names)
    counts = [len(eval(line, names)) for line in lines[: 3 if went_on else 4]]
    assert len(lines) == 4
    assert {*counts} == {6 if kind == "records" else 12}


def test_bank_is_read():
    bank = Bank(str(RELEASE / "bank"))
    assert bank.domains() == ["bronze", "zombie"]
    bundle = load_bundle(RELEASE / "bundle")
    for name in bank.domains():
        version = bank.champion(name)
        data = uris.read_bytes(uris.join(version.uri, "adapter.safetensors"))
        adapter = Adapter.from_bytes(data)
        adapter.check_base(bundle.model_id)
        assert adapter.delta
    assert len(bank.champion("bronze").reference_pictures()) == 1


def test_bank_takes_a_new_champion(tmp_path):
    shutil.copytree(RELEASE / "bank", tmp_path / "bank")
    bank = Bank(str(tmp_path / "bank"))
    former = bank.champion("zombie")
    bank.publish(
        type(former)(domain="zombie", version="next", base_model_id=former.base_model_id),
        {"adapter.safetensors": b"1"},
    )
    assert bank.champion("zombie").version == "next"
    assert bank.rollback("zombie") == former.version


def test_registered_model_is_served():
    import mlflow

    places = {"bundle": str(RELEASE / "bundle"), "device": "cpu"}
    model = mlflow.pyfunc.load_model(str(RELEASE / "model"), model_config=places)
    pixels = np.full((1, 64, 64, 3), 127, np.uint8)
    found = model.predict(pixels, params={"steps": 1, "yaw_deg": [20.0]})
    assert found["status"].tolist() == ["ok"]
    assert found["domain"].tolist() == ["bronze"]
    assert len(found["views"][0]) == 2
    photo = (RELEASE / "photos/portrait-00000.png").read_bytes()
    table = model.predict([photo, encode(pixels[0])], params={"steps": 1, "yaw_deg": [0.0]})
    assert table["status"].tolist()[0] == "ok"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_output_is_resumed_with_nothing_to_compute():
    with object_store("release") as uri:
        for name in ("photos", "references", "out", "bank"):
            upload(RELEASE / name, uri if name == "references" else f"{uri}/{name}")
        tables = [StageTable(f"{uri}/out/{name}", kind) for name, kind in TABLES.items()]
        before = [list(table.commits()) for table in tables]
        bank = uris.read_bytes(f"{uri}/bank/bank.json")
        done = run_job(RELEASE / "job.yaml", RELEASE / "bundle", uri)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert [list(table.commits()) for table in tables] == before
        assert uris.read_bytes(f"{uri}/bank/bank.json") == bank
        stages = uris.read_json(f"{uri}/out/run.json")["stages"]
        assert {stage["computed"] for stage in stages.values()} == {0}
        assert "4 inputs: 3 ok, 0 rejected, 1 failed" in done.stdout
