"""The main job with the real models, by its real command.

Bad inputs are rows, and a second run finds nothing to do.
"""

import json
import os
import shutil
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from itportrait.bank.store import Bank
from itportrait.io.commits import StageTable, read_committed
from itportrait.records import AlignedRecord, InvertedRecord, Status, StylizedRecord
from tests.conftest import REPOSITORY
from tests.helpers.readers import check_readers
from tests.helpers.tables import read_styled
from tests.helpers.terminals import run_watched

CONFIG = """
bundle: mini
ingest: {shard_size: 2}
align: {size: 128}
invert: {method: w_plus, steps: 4, batch_size: 2, statistics_samples: 256}
domains:
  - {name: zombie, mode: text, prompt: a zombie, source_prompt: a photo of a person, steps: 2}
  - clown
adapt:
  probe: {every: 1, count: 2, images: 1}
stylize: {views_deg: [[20, 0]], turntable_frames: 4, batch_size: 2}
tracking: {uri: "sqlite:///%s/mlflow.db"}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with two drawn portraits, a picture without a face, a broken file, and a config."""
    from skimage import data

    from itportrait.image import encode
    from itportrait.mini.demo import BROKEN
    from itportrait.mini.samples import write_sample_portraits

    root = tmp_path_factory.mktemp("job")
    photos = root / "photos"
    write_sample_portraits(str(photos), 2, 5, 256)
    (photos / "truth.parquet").unlink()
    (photos / "coffee.png").write_bytes(encode(data.coffee()))
    (photos / "broken.jpg").write_bytes(BROKEN)
    (root / "job.yaml").write_text(CONFIG % root)
    return root


def run(place, *arguments: str) -> subprocess.CompletedProcess:
    """Run the workflow as a user does: an embedded Ray, its own process."""
    command = [sys.executable, "workflows/stylize_dataset.py", "--config", f"{place}/job.yaml"]
    command += ["--input", f"{place}/photos", "--output", f"{place}/out", "--bank", f"{place}/bank"]
    address = os.environ.get("ITPORTRAIT_TEST_RAY")
    command += ["--address", address] if address else []
    environment = {"PYTHONPATH": str(REPOSITORY)}
    return run_watched([*command, *arguments], cwd=REPOSITORY, env=environment)


def statuses(root, record_type) -> list[str]:
    return sorted(str(record.status) for record in read_committed(str(root), record_type))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_photos_to_stylized_portraits(place):
    plan = run(place, "--dry-run")
    assert plan.returncode == 0, plan.stderr[-3000:]
    assert "domain zombie: not in the bank; first of all: adapting" in plan.stdout
    assert "domain clown: not in the bank; first of all: coming with the bundle" in plan.stdout
    assert not (place / "out").exists()

    done = run(place)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "4 inputs: 2 ok, 1 rejected, 1 failed" in done.stdout
    out = place / "out"
    assert statuses(out / "aligned", AlignedRecord) == ["failed", "ok", "ok", "rejected"]
    assert statuses(out / "inverted", InvertedRecord) == ["ok", "ok"]
    assert [record.status for record in read_styled(out, "clown")] == ["ok", "ok"]
    for record in read_styled(out, "zombie", pixels=True):
        assert isinstance(record, StylizedRecord)
        assert len(record.pixels) == 2
        assert record.clip_direction is not None
        assert record.status is Status.OK

    pictures = {"aligned/pixels": 2, "inverted/pixels": 2, "stylized/pixels": 8}
    rows = {"aligned/records": 4, "inverted/records": 2, "stylized/records": 4, **pictures}
    check_readers(out, rows, place / "cache")

    about = json.loads((out / "run.json").read_text())
    assert about["counts"] == {"ok": 2, "rejected": 1, "failed": 1}
    assert about["stages"]["align"]["inputs"] == 4
    gallery = {path.name for path in (out / "gallery").iterdir()}
    assert {"index.html", "contact_sheet.png", "turntable_zombie.mp4"} <= gallery
    assert Bank(str(place / "bank")).domains() == ["clown"]
    bank = Bank(str(place / "bank"))
    (name,) = bank.versions("zombie")
    version = bank.read("zombie", name)
    assert version.metrics["identity"] > 0
    assert not (place / "bank" / "_training" / f"zombie-{version.fingerprint}").exists()
    curve = pq.read_table(place / "bank" / "zombie" / name / "curve.parquet")
    assert curve.num_rows == 2
    # Two steps show nothing: it serves this job, said everywhere, and is no champion.
    assert version.info["gate"]["verdict"] == "candidate"
    assert "Warning: domain 'zombie': weak style: clip_reach" in done.stdout
    assert "weak style" in (out / "gallery" / "index.html").read_text()
    runs = MlflowClient(f"sqlite:///{place}/mlflow.db").search_runs(["1"])
    (run_of,) = [run for run in runs if run.info.run_name == "zombie"]
    assert run_of.data.tags["gate"] == "candidate"
    assert run_of.data.tags["warnings"].startswith("weak style: ")
    assert run_of.info.status == "FINISHED"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_second_run_finds_nothing_to_do(place):
    files = {path: path.stat().st_mtime_ns for path in (place / "out").rglob("*.parquet")}
    assert files
    began = time.monotonic()
    again = run(place)
    print(f"second run with the start of Ray: {time.monotonic() - began:.1f} s")
    assert again.returncode == 0, again.stderr[-3000:]
    assert "Nothing to do" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in files} == files


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_failed_records_are_computed_again_where_that_is_asked_for(place):
    """A list tells nothing of its photos' versions: only `--retry failed` looks at one again."""
    first, second = sorted((place / "photos").glob("*.png"))[1:3]
    late = place / "late.png"
    (place / "photos.txt").write_text(f"{first}\n{late}\n")
    call = ("--input", f"{place}/photos.txt", "--output", f"{place}/listed", "--domains", "clown")

    def stages(*arguments: str) -> tuple[dict, str]:
        done = run(place, *call, *arguments)
        assert done.returncode == 0, done.stderr[-3000:]
        about = json.loads((place / "listed" / "run.json").read_text())
        computed = {name: stage["computed"] for name, stage in about["stages"].items()}
        return {**about["counts"], **computed}, done.stdout

    names = ("ok", "rejected", "failed", "align", "invert", "stylize clown")
    assert stages()[0] == dict(zip(names, (1, 0, 1, 2, 1, 1), strict=True))
    shutil.copy(second, late)
    found, printed = stages()
    assert (found["failed"], found["align"]) == (1, 0)
    assert "Nothing to do" in printed
    assert stages("--retry", "failed")[0] == dict(zip(names, (2, 0, 0, 1, 1, 1), strict=True))
    assert "Nothing to do" in stages("--retry", "failed")[1]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_unknown_domain_and_missing_input_are_one_clear_line(place):
    unknown = run(place, "--domains", "zombie,nobody")
    assert unknown.returncode == 2
    assert unknown.stderr.strip().endswith("unknown domain 'nobody'; known: clown, zombie")
    assert "Traceback" not in unknown.stderr
    mistyped = run(place, "--domains", "zombie,nobody", "--bank", f"{place}/bnak")
    assert mistyped.returncode == 2
    assert f"no bank at {place}/bnak: bank.json is missing" in mistyped.stderr
    assert not (place / "bnak").exists()
    missing = run(place, "--input", f"{place}/nowhere")
    assert missing.returncode == 2
    assert f"no input found at '{place}/nowhere'" in missing.stderr
    assert "*.jpg" in missing.stderr
    (place / "file").write_text("no folder")
    below = run(place, "--output", f"{place}/file/below")
    assert below.returncode == 2
    assert f"{place}/file" in below.stderr
    assert "Traceback" not in below.stderr
    table = StageTable(str(place / "out" / "aligned"), AlignedRecord)
    assert len(table.shards()) == 2
