"""Digests of rows follow what the fields of a record say of themselves."""

from dataclasses import dataclass, field, fields, replace

import numpy as np
import pytest

from itportrait.records import (
    KEPT_HERE,
    AlignedRecord,
    InvertedRecord,
    RecordError,
    Status,
    StylizedRecord,
    read_later,
)
from itportrait.stages.digests import row_digest

CAMERA = np.arange(25) / 7
PICTURE = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
CODE = InvertedRecord(record_id="b", camera=CAMERA, w_plus=np.arange(40) / 3, pixels=PICTURE)


@dataclass(frozen=True, kw_only=True)
class TunedRecord(InvertedRecord):
    """A portrait of a method that also tunes weights."""

    weights: np.ndarray | None = None
    kind: str = field(default="", metadata=read_later())
    note: str = ""
    trace: np.ndarray | None = field(default=None, metadata=KEPT_HERE)


def tuned(**values) -> str:
    return row_digest(TunedRecord(record_id="b", w_plus=np.zeros(4), **values))


def test_a_further_array_counts_although_nobody_named_it():
    digests = [tuned(weights=np.full(3, value)) for value in (0.0, 1.0)]
    assert len({tuned(), *digests}) == 3
    assert tuned(weights=np.full(3, 1, np.int64)) != tuned(weights=np.full(3, 2, np.int64))


def test_an_array_is_hashed_as_tables_hold_it():
    value = np.full(3, 0.1)
    assert tuned(weights=value) == tuned(weights=value.astype(np.float32))


def test_marks_decide_about_all_else():
    assert tuned(kind="lora") != tuned(kind="full")
    assert tuned(note="a") == tuned(note="b")
    assert tuned(trace=np.zeros(2)) == tuned(trace=np.ones(2))


@pytest.mark.parametrize(
    ("record", "digest"),
    [
        (AlignedRecord(record_id="a", uri="x"), "ddbcf041e2b407d0"),
        (
            AlignedRecord(
                record_id="a",
                uri="x",
                status=Status.REJECTED,
                error=RecordError("align", "t", "m"),
            ),
            "06f7747bab62ce1f",
        ),
        (AlignedRecord(record_id="b", uri="x", camera=CAMERA, pixels=PICTURE), "df9226b792e74f09"),
        (CODE, "367164b4254217d7"),
        (
            StylizedRecord(
                record_id="b", domain="d", version="v", pixels=(PICTURE, PICTURE[:4]), views=2
            ),
            "53fc20acef9c255b",
        ),
    ],
)
def test_digests_of_release_0_1_are_those_of_today(record, digest):
    assert row_digest(record) == digest


@pytest.mark.parametrize("kind", [AlignedRecord, InvertedRecord, StylizedRecord])
def test_every_array_of_todays_records_says_whether_it_is_read(kind):
    arrays = [column for column in fields(kind) if "ndarray" in str(column.type)]
    assert arrays
    assert all("read_later" in column.metadata for column in arrays)


def test_timings_and_measures_are_no_part():
    assert row_digest(replace(CODE, seconds=3.0, psnr=1.0, steps=9)) == row_digest(CODE)
