"""The forms of an export: pictures as files, tar shards of WebDataset, or a dataset in Parquet.

Each takes pictures part by part and writes a part so that it is whole or absent; the last file of a
part says what the part holds, and is the mark that it is done. Equal parts give equal bytes.
"""

import io
import json
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from itportrait.io import uris
from itportrait.io.stores import patient
from itportrait.results.export.card import dataset_card
from itportrait.results.export.index_csv import INDEX, put_index_csv
from itportrait.results.export.pictures import Picture
from itportrait.results.export.row import ExportRow, index_schema

ENDINGS = {"png": "png", "jpeg": "jpg", "webp": "webp"}
"""Encodings, and how files of them end."""
CARD = "README.md"
_WRITERS = 8
_ROWS_PER_GROUP = 100
"""Pictures that a reader of a dataset has in memory at once."""


@dataclass(frozen=True)
class Layout(ABC):
    """One form of an export.

    Args:
        root: folder or URI of the export.
    """

    root: str
    to: ClassVar[str]
    """What the command line calls it."""
    part: ClassVar[str] = "index/part-{:05d}.parquet"
    """Path of the last file of a part, a table of `ExportRow`."""
    most_pictures: ClassVar[int | None] = None
    """Number of pictures at which a part ends, whatever its size."""
    beside: ClassVar[tuple[str, ...]] = (INDEX,)
    """Paths of the files that `finish` writes."""
    takes_deliverables: ClassVar[bool] = False
    """Whether it has a place for files that are no pictures."""

    def place(self, name: str, ending: str) -> str:
        """Return what `ExportRow.file` says of a picture with a name and an ending."""
        return name + ending

    def claimed(self, file: str) -> str:
        """Return what of a picture's place no other one may have."""
        return file

    def key(self, name: str) -> str:
        """Return the name as the form can have it."""
        return name

    @abstractmethod
    def write(self, number: int, pictures: Sequence[Picture]) -> None:
        """Write a part; rows of the pictures have their place in `file`."""

    def files(self, number: int) -> list[str]:
        """Return the paths of the files of a part that is there, but the last one."""
        return []

    def named(self, number: int) -> list[str]:
        """Return `ExportRow.file` of the pictures of a part that is there.

        Raises:
            OSError: it cannot be read.
        """
        return _files_column(uris.join(self.root, self.part.format(number)))

    def finish(self, parts: int) -> None:
        """Write what stands beside the parts."""
        put_index_csv(self.root, [self.part.format(number) for number in range(parts)])

    def _put_index(self, number: int, rows: Sequence[ExportRow]) -> None:
        table = pa.Table.from_pylist([asdict(row) for row in rows], schema=index_schema())
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        self._put(self.part.format(number), buffer.getvalue())

    def _put(self, path: str, data: bytes) -> None:
        uris.put_bytes(uris.join(self.root, path), data)


class Files(Layout):
    """`pictures/NAME.png`, with `index.csv` and the table `index` beside them."""

    to, most_pictures, takes_deliverables = "files", 1000, True

    def place(self, name: str, ending: str) -> str:
        """Return the path below the export's folder."""
        return f"pictures/{name}{ending}"

    def claimed(self, file: str) -> str:
        """Return the path without the folder that all pictures share."""
        return file.removeprefix("pictures/")

    def files(self, number: int) -> list[str]:
        """Return the paths of the pictures."""
        return self.named(number)

    def write(self, number: int, pictures: Sequence[Picture]) -> None:
        """Write the pictures, several at once, and then the part of the index."""
        with ThreadPoolExecutor(_WRITERS) as pool:
            for _ in pool.map(lambda item: self._put(item.row.file, item.data), pictures):
                pass
        self._put_index(number, [picture.row for picture in pictures])


class WebDataset(Layout):
    """`pictures-00000.tar`: `KEY.png` and `KEY.json` a sample, with `index.csv` and `index`."""

    to, shard = "webdataset", "pictures-{:05d}.tar"

    def key(self, name: str) -> str:
        """Return the name without dots in its last part, which would end the sample's key."""
        folder, mark, last = name.rpartition("/")
        return folder + mark + last.replace(".", "_")

    def claimed(self, file: str) -> str:
        """Return the sample's key."""
        return file.rpartition(".")[0]

    def files(self, number: int) -> list[str]:
        """Return the path of the tar file."""
        return [self.shard.format(number)]

    def write(self, number: int, pictures: Sequence[Picture]) -> None:
        """Write a tar file, and then the part of the index."""
        shard = self.shard.format(number)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for picture in pictures:
                told = {
                    name: value for name, value in asdict(picture.row).items() if name != "shard"
                }
                sidecar = json.dumps(told, ensure_ascii=False, sort_keys=True).encode()
                _add(tar, picture.row.file, picture.data)
                _add(tar, f"{picture.row.file.rpartition('.')[0]}.json", sidecar)
        self._put(shard, buffer.getvalue())
        self._put_index(number, [replace(picture.row, shard=shard) for picture in pictures])


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file whose header says nothing of user, machine and time."""
    header = tarfile.TarInfo(name)
    header.size, header.mode, header.mtime = len(data), 0o644, 0
    tar.addfile(header, io.BytesIO(data))


class Dataset(Layout):
    """`data/train-00000.parquet` with a column of pictures, which `datasets.load_dataset` reads."""

    to, part, beside = "datasets", "data/train-{:05d}.parquet", (CARD,)

    def write(self, number: int, pictures: Sequence[Picture]) -> None:
        """Write a Parquet file."""
        schema, buffer = dataset_schema(), io.BytesIO()
        texts = [name for name in schema.names if name != "image"]
        # Pictures are compressed already, and statistics of them would copy them into the footer.
        options: dict[str, Any] = {
            "compression": {**dict.fromkeys(texts, "ZSTD"), "image.bytes": "NONE"},
            "use_dictionary": texts,
            "write_statistics": texts,
        }
        with pq.ParquetWriter(buffer, schema, **options) as writer:
            for start in range(0, len(pictures), _ROWS_PER_GROUP):
                rows = [_with_picture(item) for item in pictures[start : start + _ROWS_PER_GROUP]]
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
        self._put(self.part.format(number), buffer.getvalue())

    def finish(self, parts: int) -> None:
        """Write the card, by which the files are found."""
        self._put(CARD, dataset_card().encode())


@patient
def _files_column(uri: str) -> list[str]:
    """Return the column `file` of a table, and leave its pictures where they are."""
    fs, path = uris.open_fs(uri)
    with fs.open(path, "rb") as file:
        return pq.read_table(file, columns=["file"])["file"].to_pylist()


def _with_picture(picture: Picture) -> dict[str, Any]:
    return {"image": {"bytes": picture.data, "path": picture.row.file}, **asdict(picture.row)}


def dataset_schema() -> pa.Schema:
    """Return the columns of a dataset, with what `datasets` must know to show pictures."""
    picture = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
    columns = [field for field in index_schema() if field.name != "shard"]
    features: dict[str, dict[str, str]] = {"image": {"_type": "Image"}}
    for field in columns:
        kind = "float64" if pa.types.is_floating(field.type) else str(field.type)
        features[field.name] = {"dtype": kind, "_type": "Value"}
    about = json.dumps({"info": {"features": features}}, sort_keys=True)
    return pa.schema([pa.field("image", picture), *columns], metadata={"huggingface": about})


LAYOUTS: dict[str, type[Layout]] = {kind.to: kind for kind in (Files, WebDataset, Dataset)}
"""The forms, by what the command line calls them."""
