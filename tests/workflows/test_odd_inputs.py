"""A whole job on inputs of every kind: exit code 0, one row or one count for each input."""

import json
import os
import subprocess
import sys

import pytest

from itportrait.io.commits import read_committed
from itportrait.records import AlignedRecord
from tests.conftest import REPOSITORY
from tests.helpers.odd_inputs import SKIPPED, outcomes, write_odd_inputs
from tests.helpers.tables import read_styled

CONFIG = """
bundle: mini
ingest: {shard_size: 16}
align: {size: 128}
invert: {method: w_plus, steps: 1, batch_size: 4, statistics_samples: 256}
domains: [clown]
stylize: {views_deg: [], metrics: false}
publish: {portraits: 2, turntables: 0, deliverables: {pasted: true}}
"""


def run(root, uri: str, *arguments: str) -> str:
    command = [sys.executable, "workflows/stylize_dataset.py", "--config", f"{root}/job.yaml"]
    command += ["--input", uri, "--output", f"{root}/out", "--bank", f"{root}/bank", *arguments]
    address = os.environ.get("ITPORTRAIT_TEST_RAY")
    command += ["--address", address] if address else []
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_inputs_of_every_kind_through_a_whole_job(tmp_path):
    uri, expected = write_odd_inputs(tmp_path / "in")
    (tmp_path / "job.yaml").write_text(CONFIG)
    assert f"{expected.total()} inputs in" in run(tmp_path, uri, "--dry-run")
    printed = run(tmp_path, uri)
    assert outcomes(tmp_path / "out", tmp_path / "in") == expected

    good = sum(count for (_, outcome), count in expected.items() if outcome == "ok")
    bad = expected.total() - good
    assert f"{expected.total()} inputs: {good} ok, 0 rejected, {bad} failed" in printed
    assert f"{sum(SKIPPED.values())} skipped: 2 " in printed
    assert "Thumbs.db" in printed
    about = json.loads((tmp_path / "out" / "run.json").read_text())
    assert about["counts"] == {"ok": good, "rejected": 0, "failed": bad}
    assert {reason: item["count"] for reason, item in about["skipped"].items()} == SKIPPED
    assert "Thumbs.db" in (tmp_path / "out" / "report.html").read_text()

    aligned = read_committed(str(tmp_path / "out" / "aligned"), AlignedRecord)
    portraits = {record.record_id for record in aligned if record.status == "ok"}
    styled = read_styled(tmp_path / "out", "clown")
    assert {str(record.status) for record in styled} == {"ok"}
    assert {record.record_id for record in styled} == portraits
    assert about["deliverables"]["clown"]["failed"] == 0

    assert "Nothing to do" in run(tmp_path, uri)
