"""Tables of what rows keep as bytes: written, committed, read back."""

from dataclasses import replace

import numpy as np
import pytest

from itportrait.io.commits import Commit, DamagedFileError, StageTable
from itportrait.io.parquet import PixelFormat, Row
from itportrait.records import InvertedRecord, StylizedRecord
from itportrait.stages.digests import row_digest


def record(name, weights):
    code = np.arange(4, dtype=np.float32)
    pixels = np.full((2, 2, 3), 7, np.uint8)
    camera = np.zeros(25, np.float32)
    return InvertedRecord(
        record_id=name, w_plus=code, camera=camera, pixels=pixels, weights=weights
    )


def put(table, rows):
    files = table.write_rows(0, rows, pixel_format=PixelFormat())
    return table.commit(
        Commit(stage="invert", shard=0, fingerprint="f", recipe="r", outputs="o", files=files)
    )


@pytest.fixture
def table(tmp_path):
    return StageTable(str(tmp_path / "inverted"), InvertedRecord)


def test_weights_come_back_to_the_byte_with_and_without_pictures(table):
    rows = [Row("a", record("a", b"\x00\xffdelta")), Row("b", record("b", None))]
    commit = put(table, rows)
    assert commit.files["weights"].rows == 1
    assert commit.files["weights"].path.startswith("weights/part-00000-")
    assert table.whole(commit, table.sizes())
    for pixels in (True, False):
        first, second = (row.record for row in table.read_rows(commit, pixels=pixels))
        assert first.weights == b"\x00\xffdelta"
        assert second.weights is None


def test_rows_without_weights_have_no_such_table(table):
    commit = put(table, [Row("a", record("a", None))])
    assert set(commit.files) == {"records", "pixels"}
    assert "weights" not in {path.split("/")[0] for path in table.sizes()}


def test_a_row_that_is_read_and_written_again_gives_the_same_files(table, tmp_path):
    commit = put(table, [Row("a", record("a", b"delta"))])
    again = StageTable(str(tmp_path / "again"), InvertedRecord)
    assert put(again, table.read_rows(commit)).files == commit.files


def test_damaged_weights_are_found(table, tmp_path):
    commit = put(table, [Row("a", record("a", b"delta"))])
    file = tmp_path / "inverted" / commit.files["weights"].path
    file.write_bytes(file.read_bytes()[:-1])
    assert not table.whole(commit, table.sizes())
    with pytest.raises(DamagedFileError):
        table.read_rows(commit)


def test_files_that_no_commit_names_are_swept(table, tmp_path):
    commit = put(table, [Row("a", record("a", b"delta"))])
    stray = tmp_path / "inverted" / "weights" / "part-00000-00000000.parquet"
    stray.write_bytes(b"left by a killed attempt")
    assert table.sweep(last_shard=1) == [f"weights/{stray.name}"]
    assert table.read_rows(commit)[0].record.weights == b"delta"


def test_what_a_style_has_fitted_comes_back_to_the_byte(tmp_path):
    fitted = [b"\x00network", None]
    rows = [
        Row(name, StylizedRecord(record_id=name, domain="d", version="v", fitted=data))
        for name, data in zip("ab", fitted, strict=True)
    ]
    table = StageTable(str(tmp_path / "stylized"), StylizedRecord)
    commit = put(table, rows)
    assert set(commit.files) == {"records", "fitted"}
    assert commit.files["fitted"].path.startswith("fitted/part-00000-")
    assert [row.record.fitted for row in table.read_rows(commit, pixels=False)] == fitted
    again = StageTable(str(tmp_path / "again"), StylizedRecord)
    assert put(again, table.read_rows(commit)).files == commit.files
    plain, other = (row_digest(replace(rows[0].record, fitted=data)) for data in (None, b"x"))
    assert plain == row_digest(replace(rows[1].record, record_id="a")) != other


def test_later_stages_follow_the_weights():
    plain, tuned, other = (row_digest(record("a", w)) for w in (None, b"one", b"two"))
    assert len({plain, tuned, other}) == 3
