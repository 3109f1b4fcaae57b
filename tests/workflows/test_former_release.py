"""What release 0.1 left behind is read, resumed and served by today's program."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from itportrait.adapt import Adapter
from itportrait.bank.store import Bank
from itportrait.bundle import load_bundle
from itportrait.image import encode
from itportrait.io import uris
from itportrait.io.commits import StageTable, read_committed
from itportrait.records import AlignedRecord, InvertedRecord, Status, StylizedRecord
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
