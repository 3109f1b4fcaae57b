"""A comparison of given photos whose output is on an object store."""

import shutil

import pytest

from itportrait.io import uris
from itportrait.mini.samples import write_sample_portraits
from tests.helpers.here import HereBackend
from tests.helpers.small_comparison import compare_here, small_comparison

pytest.importorskip("s3fs", reason="needs the extra s3")


@pytest.mark.slow
def test_photos_are_compared_on_a_store_and_a_lost_one_is_told(base, s3, tmp_path):
    for seed, folder in enumerate(("a", "b")):  # two photos of one name
        write_sample_portraits(str(tmp_path / folder), 1, seed, 192)
    (tmp_path / "c").mkdir()
    shutil.copy(tmp_path / "a/portrait-00000.png", tmp_path / "c/copy.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    data = small_comparison(base, tmp_path, portraits=str(tmp_path))
    data |= {"output": f"{s3}/compared", "methods": {"itportrait": {"domains": ["zombie"]}}}
    report = compare_here(data)
    assert not report.failed
    assert [name for name, _ in report.portraits.lost] == ["broken.png", "copy.png"]
    names = {row["metric"]: row for row in report.scores() if row["domain"] is None}
    assert names["identity"]["count"] == 2
    assert "drawn people" in names["truth_distance"]["reason"]
    page = uris.read_bytes(f"{s3}/compared/index.html").decode()
    assert page.count("portrait-00000.png ") >= 2  # told apart by their ids
    assert "not a picture" in page
    assert "the same photo as portrait-00000.png" in page

    backend = HereBackend()
    again = compare_here(data, backend)
    assert (backend.counted, again.digest) == ([], report.digest)
    assert not any(result.computed for result in again.results)
