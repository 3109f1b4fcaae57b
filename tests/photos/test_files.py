"""Photos from wherever they are: files, parts of archives, rows of tables."""

import os
import socket

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from itportrait.errors import DecodeError, InputFaultError
from itportrait.image import encode
from itportrait.photos.files import read_photo, read_source
from itportrait.records import Source


def test_read_photo_from_a_file(tmp_path):
    path = tmp_path / "a photo#1.png"
    pixels = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    path.write_bytes(encode(pixels))
    found = read_photo(Source(uri=str(path)))
    assert (found.width, found.height) == (40, 30)
    np.testing.assert_array_equal(found.pixels, pixels)
    assert len(found.sha256) == 64
    assert found.sha256 == read_photo(Source(uri="x", data=path.read_bytes())).sha256


def test_byte_limit(tmp_path):
    path = tmp_path / "long.jpg"
    path.write_bytes(bytes(1000))
    for source in (
        Source(uri=str(path)),
        Source(uri="x", data=bytes(1000)),
        Source(uri="x", container=str(path), span=(0, 1000)),
    ):
        with pytest.raises(DecodeError, match="too large"):
            read_source(source, max_bytes=999)
        assert read_source(source, max_bytes=1000) == bytes(1000)


def test_part_of_a_file_that_ends_early(tmp_path):
    path = tmp_path / "short.tar"
    path.write_bytes(bytes(100))
    with pytest.raises(OSError, match="10 bytes of 50"):
        read_source(Source(uri="x", container=str(path), span=(90, 50)))


def test_rows_of_a_table(tmp_path):
    path = tmp_path / "t.parquet"
    values = [{"bytes": f"photo {i}".encode(), "path": None} for i in range(5)]
    pq.write_table(pa.table({"image": values}), path, row_group_size=2)
    for index in (4, 0, 3):
        source = Source(uri="x", container=str(path), span=(index // 2, index % 2), version="1")
        assert read_source(source) == f"photo {index}".encode()


def test_missing_file():
    with pytest.raises(FileNotFoundError):
        read_photo(Source(uri="/no/such/photo.jpg"))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "link to a pipe"])
def test_only_regular_files_are_opened(tmp_path, kind):
    path = tmp_path / "photo.jpg"
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            with pytest.raises(InputFaultError, match=r"photo\.jpg is no regular file"):
                read_source(Source(uri=str(path)))
        return
    if kind == "device":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe") if kind.startswith("link") else os.mkfifo(path)
    with pytest.raises(InputFaultError, match=r"photo\.jpg is no regular file"):
        read_source(Source(uri=str(path)))


def test_a_folder_is_no_photo(tmp_path):
    with pytest.raises(IsADirectoryError):
        read_source(Source(uri=str(tmp_path)))
