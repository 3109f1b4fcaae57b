"""Rows as Parquet: what a schema does not know is refused, and never lost in silence."""

import pytest

from itportrait.comparison.tables import PART_SCHEMA, decode_table, encode_table
from itportrait.errors import InvalidArgumentError


def row(**metrics):
    return {"portrait": "a.png", "record_id": "0001", "status": "ok", **metrics}


def test_what_is_left_out_or_not_finite_is_null():
    (found,) = decode_table(encode_table([row(identity=float("nan"))], PART_SCHEMA))
    assert found["identity"] is None
    assert found["views"] is None


def test_a_metric_without_a_column_is_refused():
    with pytest.raises(InvalidArgumentError, match=r"rows must be columns of .*, got clip_reach;"):
        encode_table([row(identity=0.5), row(identity=0.5, clip_reach=0.2)], PART_SCHEMA)
