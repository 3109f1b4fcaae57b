"""Inputs of every kind, good ones among broken ones, with what must become of each."""

import io
import json
import os
import tarfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from itportrait.geometry.camera import frontal_camera
from itportrait.io.commits import read_committed
from itportrait.mini.samples import write_sample_portraits
from itportrait.records import AlignedRecord

SIDE = 256
GIVEN = {"crop": [0.0, 0.0, float(SIDE)], "camera": frontal_camera()[0].tolist()}
SKIPPED = {"hidden": 1, "system": 2, "sidecar": 2, "no_picture": 1, "container": 1, "loop": 1}
"""What a listing of the inputs counts, by reason."""

Outcomes = list[tuple[str, str]]
"""Name of an input below the root, and `ok` or the reason of its row."""


def write_odd_inputs(root: Path) -> tuple[str, Counter]:
    """Write folders, lists, tables and archives below `root`.

    Returns:
        The input of a job, and a count of `(name, outcome)`; a name may stand for several inputs.
    """
    (root / "list").mkdir(parents=True)
    (name,) = write_sample_portraits(str(root / "drawn"), 1, 5, SIDE)
    good = Path(name).read_bytes()
    outcomes = [
        *_folder(root / "photos", good),
        *_list(root / "list" / "photos.txt", good),
        *_tables(root, good),
        *_archives(root, good),
        ("gone.png", "unlisted"),
    ]
    names = ["photos", "list/photos.txt", "gone.png"]
    names += [f"{name}.parquet" for name in ("good", "cut", "empty", "names", "numbers")]
    names += [f"shard-{index:03d}.tar" for index in range(5)]
    return f"{root}/{{{','.join(names)}}}", Counter(outcomes)


def outcomes(output: Path, root: Path) -> Counter:
    """Return a count of `(name below the root, ok or reason)` of the rows of the align stage."""
    found: Counter = Counter()
    for record in read_committed(str(output / "aligned"), AlignedRecord):
        assert isinstance(record, AlignedRecord)
        reason = record.error.type if record.error else str(record.status)
        found[record.uri.removeprefix(f"{root}/"), reason] += 1
    return found


def _folder(folder: Path, good: bytes) -> Outcomes:
    (folder / "sub").mkdir(parents=True)
    (folder / "a.png").write_bytes(good)
    (folder / "b.jfif").write_bytes(good)
    Path(os.fsdecode(os.fsencode(folder) + b"/jos\xe9.png")).write_bytes(good)
    (folder / "broken.jpg").write_bytes(good[:100])
    (folder / "empty.png").write_bytes(b"")
    (folder / "raw.cr2").write_bytes(b"II*\0\x10\0\0\0CR\x02\0")
    os.mkfifo(folder / "pipe.png")
    (folder / "device.png").symlink_to("/dev/zero")
    (folder / "nowhere.png").symlink_to("gone.png")
    (folder / "round.png").symlink_to("round.png")
    (folder / "sub" / "up").symlink_to(folder)
    passed = ("a.json", "a.txt", "film.mp4", "t.parquet", ".DS_Store.jpg", "Thumbs.db")
    for name in passed:
        (folder / name).write_bytes(b"no input")
    (folder / "__MACOSX").mkdir()
    return [
        ("photos/a.png", "ok"),
        ("photos/b.jfif", "ok"),
        (r"photos/jos\xe9.png", "ok"),
        ("photos/broken.jpg", "decode"),
        ("photos/empty.png", "decode"),
        ("photos/raw.cr2", "decode"),
        ("photos/pipe.png", "storage"),
        ("photos/device.png", "storage"),
        ("photos/nowhere.png", "storage"),
        ("photos/round.png", "storage"),
    ]


def _list(path: Path, good: bytes) -> Outcomes:
    (path.parent / "#1.png").write_bytes(good)
    os.mkfifo(path.parent / "pipe.png")
    odd = ["a\0b.png", "s3://", "nowhere://a/b", "zip://a::b", "no such name", "pipe.png", "."]
    path.write_text("\n".join(["# a comment", "#1.png", "#1.png", *odd]))
    bad = ["list/a\0b.png", "s3://", "nowhere://a/b", "zip://a::b", "list/no such name"]
    bad += ["list/pipe.png", "list"]
    return [("list/#1.png", "ok")] * 2 + [(name, "storage") for name in bad]


def _tables(root: Path, good: bytes) -> Outcomes:
    count = 6
    columns = {name: [cells] * count for name, cells in GIVEN.items()}
    columns["crop"] = [GIVEN["crop"], [float("nan")] * 3, [], [1.0], GIVEN["crop"], None]
    columns["image"] = [good] * 4 + [None, good]
    columns["camera"][5] = None
    pq.write_table(pa.table(columns), root / "good.parquet", row_group_size=4)
    data = (root / "good.parquet").read_bytes()
    (root / "cut.parquet").write_bytes(data[:-20])
    (root / "empty.parquet").write_bytes(b"")
    pq.write_table(pa.table({"name": ["a"]}), root / "names.parquet")
    texts = {"image": [good, good], "landmarks": ["1 2 3", None]}
    pq.write_table(pa.table(texts), root / "numbers.parquet")
    reasons = ("ok", "bad_columns", "bad_columns", "bad_columns", "decode", "ok")
    return [
        *((f"good.parquet#{row}", reason) for row, reason in enumerate(reasons)),
        *((f"{name}.parquet", "unlisted") for name in ("cut", "empty", "names")),
        ("numbers.parquet#0", "bad_columns"),
        ("numbers.parquet#1", "ok"),
    ]


def write_tar(path: Path, members: list[tuple[str, bytes | tuple[bytes, str]]]) -> None:
    """Write an archive of files, and of `(type, target)` links."""
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, tuple):
                info.type, info.linkname = content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))


def _archives(root: Path, good: bytes) -> Outcomes:
    """Write shards 0 and 2 to 4; shard 1 is missing."""
    given = json.dumps(GIVEN).encode()
    members = [("s.v1.1.png", good), ("s.v1.2.png", good), ("s.json", given), ("s.jpe", good)]
    members += [("hard.png", (tarfile.LNKTYPE, "s.jpe")), ("hard.json", given)]
    members += [("out.png", (tarfile.SYMTYPE, "../../etc/passwd"))]
    write_tar(root / "shard-000.tar", members)
    pair = [("0.png", good), ("0.json", given), ("1.png", good), ("1.json", b'{"crop": ["a"]}')]
    write_tar(root / "shard-002.tar", pair)
    write_tar(root / "shard-003.tar", [*pair[:2], ("lost.png", good), ("2.png", good)])
    data = bytearray((root / "shard-003.tar").read_bytes())
    lost = data.index(b"lost.png")
    data[lost : lost + 4] = b"\xff" * 4
    (root / "shard-003.tar").write_bytes(data)
    write_tar(root / "shard-004.tar", [*pair[:2], ("1.png", good)])
    data = (root / "shard-004.tar").read_bytes()
    (root / "shard-004.tar").write_bytes(data[: data.rindex(good) + 500])
    in_first = [(name, "ok") for name in ("s.v1.1.png", "s.v1.2.png", "s.jpe", "hard.png")]
    return [
        *((f"shard-000.tar#{name}", outcome) for name, outcome in in_first),
        ("shard-000.tar#out.png", "storage"),
        ("shard-001.tar", "unlisted"),
        ("shard-002.tar#0.png", "ok"),
        ("shard-002.tar#1.png", "bad_columns"),
        ("shard-003.tar#0.png", "ok"),
        ("shard-003.tar#2.png", "ok"),
        ("shard-003.tar", "unlisted"),
        ("shard-004.tar#0.png", "ok"),
        ("shard-004.tar#1.png", "decode"),
        ("shard-004.tar", "unlisted"),
    ]
