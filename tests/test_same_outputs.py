"""The judge of equal outputs: what it overlooks, and what it does not."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from itportrait.errors import NoInputError
from tests.helpers.same_outputs import differences


@pytest.fixture
def outputs(tmp_path):
    """Two equal outputs, in folders whose names alone would be overlooked inside of an output."""
    for name in ("before", "after"):
        folder = tmp_path / "mlflow.db" / name
        folder.mkdir(parents=True)
        (folder / "page.html").write_text("page")
        (folder / "run.json").write_text(json.dumps({"counts": {"ok": 3}, "seconds": 1.0}))
        table = pa.table({"record_id": ["a", "b"], "psnr": [20.0, 21.0], "seconds": [1.0, 2.0]})
        pq.write_table(table, folder / "part-00000.0123456789ab.parquet")
    return tmp_path / "mlflow.db" / "before", tmp_path / "mlflow.db" / "after"


def test_times_and_drawn_names_make_no_difference(outputs):
    before, after = outputs
    (after / "run.json").write_text(json.dumps({"counts": {"ok": 3}, "seconds": 7.0}))
    (after / "part-00000.0123456789ab.parquet").rename(after / "part-00000.ba9876543210.parquet")
    assert differences(before, after) == []


def test_every_other_change_is_found(outputs):
    before, after = outputs
    (after / "page.html").write_text("another")
    (after / "run.json").write_text(json.dumps({"counts": {"ok": 2}}))
    table = pa.table({"record_id": ["a", "b"], "psnr": [20.0, 22.0], "seconds": [1.0, 2.0]})
    pq.write_table(table, after / "part-00000.0123456789ab.parquet")
    (after / "more.txt").write_text("more")
    found = differences(before, after)
    assert found == [
        "only after: more.txt",
        "page.html: bytes differ",
        "part-00000.*.parquet: column psnr",
        "run.json: .counts.ok: 3 -> 2",
    ]


def test_nothing_to_compare_is_an_error(outputs, tmp_path):
    with pytest.raises(NoInputError, match=r"nothing to compare at .*absent"):
        differences(outputs[0], tmp_path / "absent")
