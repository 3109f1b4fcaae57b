"""The review page of real tables: which portraits are on it, in which order, with what picture."""

import numpy as np
import pytest

from itportrait.align.config import AlignConfig
from itportrait.image import encode
from itportrait.invert.config import InvertConfig
from itportrait.records import AlignedRecord, InvertedRecord, RecordError, Status
from itportrait.results.review import ReviewJob, make_review
from itportrait.stages.recipe import Recipe
from itportrait.stages.registry import CHAIN
from tests.helpers.page import Page
from tests.helpers.tables import commit_rows

ALIGN, INVERT, *_ = CHAIN


def error(stage, kind):
    return RecordError(stage, kind, f"it is {kind}")


@pytest.fixture
def job(tmp_path):
    """Two shards of photos: three ok, one too small, one without a face, one broken."""
    (tmp_path / "0.png").write_bytes(encode(np.full((60, 80, 3), 200, np.uint8)))
    align = Recipe(stage=ALIGN, output=str(tmp_path), config=AlignConfig().model_dump_json())
    config = InvertConfig(min_psnr=20).model_dump_json()
    invert = Recipe(stage=INVERT, output=str(tmp_path), config=config)

    def photo(name, **values):
        return AlignedRecord(record_id=name, uri=f"{tmp_path}/{name}.png", **values)

    crop = np.array([10.0, -10, 40])
    good = [
        photo(str(n), face_px=100.0 - n, crop=crop, pixels=np.full((8, 8, 3), n, np.uint8))
        for n in range(3)
    ]
    small = photo("small", face_px=9.0, status=Status.REJECTED, error=error(ALIGN, "too_small"))
    none = photo("none", status=Status.REJECTED, error=error(ALIGN, "no_face"))
    broken = photo("broken", status=Status.FAILED, error=error(ALIGN, "decode"))
    commit_rows(align, 0, [good[0], none, small])
    commit_rows(align, 1, [good[1], good[2], broken])
    bad = {"status": Status.REJECTED, "error": error(INVERT, "low_quality")}
    commit_rows(invert, 0, [InvertedRecord(record_id="0", psnr=12.0, identity=0.9, **bad)])
    codes = [InvertedRecord(record_id=str(n), psnr=25.0 + n, identity=0.5) for n in (1, 2)]
    commit_rows(invert, 1, codes)
    return ReviewJob(output=str(tmp_path), chain=(align, invert), portraits=2)


def test_worst_per_reason_over_all_shards(job, tmp_path):
    groups = {group.title: group for group in make_review(job)}

    def cases(title):
        return [(case.name, str(case.status), case.text) for case in groups[title].cases]

    assert cases("align: too_small") == [
        ("small.png", "rejected", "9 px"),
        ("2.png", "ok", "98 px"),
    ]
    assert groups["align: too_small"].setting == "align.min_face_px is 20"
    assert cases("align: no_face") == [("none.png", "rejected", "it is no_face")]
    assert cases("align: decode") == [("broken.png", "failed", "it is decode")]
    assert cases("invert: low_quality by psnr") == [
        ("0.png", "rejected", "12.0 dB"),
        ("1.png", "ok", "26.0 dB"),
    ]
    assert cases("invert: low_quality by identity")[0] == ("1.png", "ok", "identity 0.50")
    assert groups["invert: low_quality by psnr"].setting == "invert.min_psnr is 20"
    assert groups["invert: low_quality by identity"].setting == "invert.min_identity is off"
    # Of the first photo the crop is cut again; the second is gone, and comes from the table.
    read, kept = (case.picture for case in groups["invert: low_quality by psnr"].cases)
    assert read.shape == (30, 40, 3)
    assert (read == 200).all()
    assert (kept == 1).all()
    words = Page((tmp_path / "gallery" / "review.html").read_text()).words()
    assert "1 turned away; invert.min_psnr is 20" in words


def test_page_stands_until_rows_or_settings_change(job):
    assert not job.marker.stands
    make_review(job)
    assert job.marker.stands
    changed = ReviewJob(**{**job.__dict__, "inputs": "other"})
    assert not changed.marker.stands
