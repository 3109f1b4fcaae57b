"""Records to Parquet and back, bit for bit, and what a damaged file does."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from itportrait.errors import InvalidArgumentError
from itportrait.io import parquet
from itportrait.io.parquet import PixelFormat, Row
from itportrait.records import (
    AlignedRecord,
    InvertedRecord,
    RecordError,
    Status,
    StylizedRecord,
)

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 255, (12, 12, 3), np.uint8)
GOOD = InvertedRecord(
    record_id="a",
    camera=RNG.normal(size=25).astype(np.float32),
    w_plus=RNG.normal(size=14 * 8).astype(np.float32),
    psnr=np.float32(27.5),
    steps=40,
    pixels=PICTURE,
)
BAD = InvertedRecord(
    record_id="b", status=Status.FAILED, error=RecordError("invert", "MemoryError", "too large")
)


def roundtrip(rows, record_type):
    data = parquet.encode_records(rows, parquet.record_schema(record_type))
    pixels = parquet.encode_pixels(rows, record_type, PixelFormat())
    return parquet.decode_records(
        data, record_type, parquet.read_pictures(pixels) if pixels else None
    )


def test_rows_come_back_bit_for_bit():
    good, bad = roundtrip([Row("k1", GOOD), Row("k2", BAD)], InvertedRecord)
    assert (good.key, bad.key) == ("k1", "k2")
    for name in ("camera", "w_plus", "pixels"):
        np.testing.assert_array_equal(getattr(good.record, name), getattr(GOOD, name))
    assert good.record.psnr == 27.5
    assert good.record.status is Status.OK
    assert bad.record == BAD


def test_views_keep_their_order():
    views = tuple(RNG.integers(0, 255, (4, 4, 3), np.uint8) for _ in range(3))
    record = StylizedRecord(record_id="a", domain="bronze", version="1", views=3, pixels=views)
    (row,) = roundtrip([Row("k", record)], StylizedRecord)
    assert len(row.record.pixels) == 3
    for got, want in zip(row.record.pixels, views):
        np.testing.assert_array_equal(got, want)


def test_row_that_is_kept_keeps_every_byte_of_its_pictures():
    """JPEG and WebP would lose a little more with every time that they are encoded again."""
    lossy = PixelFormat("jpeg", 70)
    data = parquet.encode_pixels([Row("k", GOOD)], InvertedRecord, lossy)
    assert data is not None
    records = parquet.encode_records([Row("k", GOOD)], parquet.record_schema(InvertedRecord))
    kept = parquet.decode_records(records, InvertedRecord, parquet.read_pictures(data))
    assert parquet.encode_pixels(kept, InvertedRecord, lossy) == data


def test_only_the_wanted_rows_are_read():
    rows = [Row("k1", GOOD), Row("k2", BAD)]
    data = parquet.encode_records(rows, parquet.record_schema(InvertedRecord))
    (row,) = parquet.decode_records(data, InvertedRecord, keys={"k2", "k3"})
    assert row.record == BAD


def test_same_rows_give_the_same_bytes():
    rows = [Row("k1", GOOD), Row("k2", BAD)]
    schema = parquet.record_schema(InvertedRecord)
    assert parquet.encode_records(rows, schema) == parquet.encode_records(rows, schema)
    pixels = [parquet.encode_pixels(rows, InvertedRecord, PixelFormat()) for _ in range(2)]
    assert pixels[0] == pixels[1]


def test_any_reader_can_read_rows_without_vectors():
    """Fixed-size lists with nulls are written but not read by pyarrow: hence plain lists."""
    data = parquet.encode_records([Row("k", BAD)], parquet.record_schema(InvertedRecord))
    table = pq.read_table(io.BytesIO(data))
    assert table.column("w_plus").to_pylist() == [None]
    assert table.column("error").to_pylist() == [
        {"stage": "invert", "type": "MemoryError", "message": "too large"}
    ]


def test_schema_says_its_version_and_fingerprints():
    schema = parquet.record_schema(AlignedRecord, metadata={"fingerprint": "f1"})
    stored = json.loads(schema.metadata[parquet.METADATA_KEY])
    assert stored == {"schema_version": parquet.SCHEMA_VERSION, "fingerprint": "f1"}


def test_pixels_are_out_of_the_records_and_uncompressed_twice():
    assert "pixels" not in parquet.record_schema(AlignedRecord).names
    data = parquet.encode_pixels([Row("k", GOOD)], InvertedRecord, PixelFormat("webp", 80))
    assert data is not None
    group = pq.read_metadata(io.BytesIO(data)).row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert (columns["data"].compression, columns["data"].statistics) == ("UNCOMPRESSED", None)
    assert parquet.encode_pixels([Row("k", BAD)], InvertedRecord, PixelFormat()) is None


def test_codes_are_split_by_bytes():
    data = parquet.encode_records([Row("k", GOOD)], parquet.record_schema(InvertedRecord))
    group = pq.read_metadata(io.BytesIO(data)).row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert "BYTE_STREAM_SPLIT" in columns["w_plus.list.element"].encodings


def test_misshapen_camera_is_refused_by_name():
    record = InvertedRecord(record_id="a", camera=np.zeros(16, np.float32))
    with pytest.raises(InvalidArgumentError, match="camera must be 25 numbers, got 16"):
        parquet.encode_records([Row("k", record)], parquet.record_schema(InvertedRecord))


@pytest.mark.parametrize("cut", [4, 40, 400])
def test_truncated_file_does_not_decode(cut):
    data = parquet.encode_records([Row("k", GOOD)], parquet.record_schema(InvertedRecord))
    with pytest.raises(pa.ArrowInvalid):
        parquet.decode_records(data[:-cut], InvertedRecord)
    with pytest.raises(OSError, match="no Parquet file"):
        parquet.check_footer(data[:-cut], len(data) - cut, 1)


def test_footer_of_other_rows_is_told():
    data = parquet.encode_records([Row("k", GOOD)], parquet.record_schema(InvertedRecord))
    parquet.check_footer(data, len(data), 1)
    with pytest.raises(OSError, match="1 rows in place of 2"):
        parquet.check_footer(data, len(data), 2)
    with pytest.raises(OSError, match="truncated"):
        parquet.check_footer(data[-20:], len(data), 1)


def test_masks_stand_beside_their_pictures_and_old_files_have_none():
    mask = RNG.integers(0, 255, (12, 12), np.uint8)
    plain = AlignedRecord(record_id="a", uri="a.png", pixels=PICTURE)
    hidden = AlignedRecord(record_id="b", uri="b.png", pixels=PICTURE, mask=mask)
    again = AlignedRecord(record_id="b", uri="c.png", duplicate_of="b.png")
    rows = [Row("k1", plain), Row("k2", hidden), Row("k3", again)]
    pixels = parquet.encode_pixels(rows, AlignedRecord, PixelFormat("jpeg"))
    records = parquet.encode_records(rows, parquet.record_schema(AlignedRecord))
    pictures, masks = parquet.read_pictures(pixels), parquet.read_masks(pixels)
    found = parquet.decode_records(records, AlignedRecord, pictures, masks=masks)
    assert found[0].record.mask is None
    np.testing.assert_array_equal(found[1].record.mask, mask)  # lossless, whatever pictures are
    np.testing.assert_array_equal(found[2].record.mask, mask)
    assert "mask" not in pq.read_schema(io.BytesIO(records)).names
    none_hidden = parquet.encode_pixels(rows[:1], AlignedRecord, PixelFormat())
    schema = parquet.pixel_schema(AlignedRecord)
    assert pq.read_schema(io.BytesIO(none_hidden)) == pq.read_schema(io.BytesIO(pixels)) == schema
    former = io.BytesIO()
    pq.write_table(pq.read_table(io.BytesIO(none_hidden)).drop_columns("mask"), former)
    assert parquet.read_masks(none_hidden) == parquet.read_masks(former.getvalue()) == {}


def test_pictures_say_their_photo_and_where_their_cameras_stand():
    angles = {"yaw_deg": np.float32([3.5, -25, 12.3]), "pitch_deg": np.float32([-2, 0, 7])}
    styled = StylizedRecord(
        record_id="a", domain="tin", version="1", uri="a\udcff.png", pixels=(PICTURE,) * 3, **angles
    )
    data = parquet.encode_pixels([Row("k", styled)], StylizedRecord, PixelFormat())
    rows = pq.read_table(io.BytesIO(data)).to_pylist()
    assert [(row["view"], row["domain"], row["uri"]) for row in rows] == [
        (view, "tin", r"a\xff.png") for view in range(3)
    ]
    for name, values in angles.items():
        np.testing.assert_array_equal(np.float32([row[name] for row in rows]), values)
    turned = AlignedRecord(
        record_id="a", uri="a.png", yaw_rad=np.pi / 6, pitch_rad=-np.pi / 12, pixels=PICTURE
    )
    data = parquet.encode_pixels([Row("k", turned)], AlignedRecord, PixelFormat())
    (row,) = pq.read_table(io.BytesIO(data)).to_pylist()
    assert (row["yaw_deg"], row["pitch_deg"]) == pytest.approx((30, -15))


def test_rows_of_earlier_releases_say_neither(tmp_path):
    former = StylizedRecord(record_id="a", domain="tin", version="1", pixels=(PICTURE,) * 2)
    data = parquet.encode_pixels([Row("k", former)], StylizedRecord, PixelFormat())
    for row in pq.read_table(io.BytesIO(data)).to_pylist():
        assert [row[name] for name in ("uri", "yaw_deg", "pitch_deg")] == [None] * 3
