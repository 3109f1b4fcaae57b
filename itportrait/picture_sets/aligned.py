"""Sets of pictures in the table of the align stage, read a row group at a time.

A pool of a few row groups rolls through the table, so that memory does not grow with the set: at
intervals one group leaves the pool and another enters it. Which groups a step's pool holds follows
from the step's number, and a resumed run goes on as it would have gone on.
"""

import hashlib
from collections import Counter
from functools import lru_cache

import numpy as np
import torch

from itportrait.config import fingerprint
from itportrait.errors import DecodeError, NoInputError
from itportrait.image import decode
from itportrait.io import uris
from itportrait.io.commits import Commit, StageTable
from itportrait.io.uris import redact
from itportrait.learning.seeds import step_rng
from itportrait.picture_sets.base import Picture, PictureSet, brought_to, choose, pictures_rng
from itportrait.records import AlignedRecord, Status

_POOL = 4
"""Number of row groups that are held at once."""
_DRAWS = 256
"""Number of pictures that are drawn from a pool before one of its row groups is replaced."""
_Stored = tuple[str, bytes, np.ndarray | None]
"""A row as it is held: record id, encoded picture, camera."""
_HELD_BYTES = 2**28
"""Memory for decoded pictures, which spares small sets from being decoded again and again."""


class AlignedSet(PictureSet):
    """The aligned pictures of an output's table; rows without one are counted and left out.

    Args:
        uri: folder `aligned` of an output.
        size: side in pixels to which pictures are brought.

    Raises:
        NoInputError: there is no such table, or it holds no aligned picture.
    """

    def __init__(self, uri: str, size: int) -> None:
        super().__init__(size)
        self.uri, self._table = uri, StageTable(uri, AlignedRecord)
        self._parts: list[Commit] = []
        self._scan()
        self._load = lru_cache(maxsize=_POOL)(self._read_group)
        held = max(_HELD_BYTES // (3 * size**2), 1)
        self._decoded = lru_cache(maxsize=held)(self._decode)
        self._group_count = lru_cache(maxsize=4096)(self._count_groups)

    def _scan(self) -> None:
        """Find the parts of the table that have pictures, and the digest of what they show."""
        statuses: Counter[str] = Counter()
        total, recipes, found = 0, set[str](), False
        self.without_camera = 0
        for commit in self._table.commits():
            found = True
            ids = []
            for row in self._table.read_columns(commit, ["record_id", "status", "camera"]):
                statuses[row["status"]] += 1
                if row["status"] == Status.OK:
                    self.without_camera += row["camera"] is None
                    ids.append(row["record_id"])
            if ids:
                self._parts.append(commit)
                recipes.add(commit.recipe)
            # A sum does not depend on how the pictures are cut into shards.
            total += sum(int.from_bytes(hashlib.sha256(i.encode()).digest()[:16]) for i in ids)
        self.count = statuses.pop(Status.OK, 0)
        self.left_out = dict(statuses)
        self.digest = fingerprint("aligned", self.count, str(total), sorted(recipes))
        if not self.count:
            raise NoInputError(_nothing(self.uri, found, self.left_out))

    def _draw(self, step: int, count: int, seed: int, rank: int) -> list[Picture]:
        rows = [
            (part, group, row)
            for part, group in self._pool(step, count, seed, rank)
            for row in range(len(self._load(part, group)))
        ]
        chosen = choose(rows, count, pictures_rng(seed, rank, step))
        return [self._picture(*place) for place in chosen]

    def _picture(self, part: int, group: int, row: int) -> Picture:
        record_id, _, camera = self._load(part, group)[row]
        return Picture(record_id, self._decoded(part, group, row), camera)

    def _pool(self, step: int, count: int, seed: int, rank: int) -> list[tuple[int, int]]:
        """Return the row groups of a step, as numbers of their part and within it.

        The parts are visited in a random order, over and over, each time in another; a visit takes
        the next row group of the part. Visits go on while they find row groups without pictures.

        Raises:
            NoInputError: no row group has any.
        """
        parts = len(self._parts)
        first = step // max(_DRAWS // count, 1)
        visit, last = first, first + _POOL
        pool: dict[tuple[int, int], None] = {}
        while visit < last or (not pool and visit < first + self._whole_round()):
            turn, place = divmod(visit, parts)
            rng = step_rng(seed, rank, turn, "picture-parts")
            part = int(torch.randperm(parts, generator=rng)[place])
            group = turn % self._group_count(part)
            if self._load(part, group):
                pool[part, group] = None
            visit += 1
        if not pool:
            raise NoInputError(
                f"pictures: expected those of {self.count} records in {redact(self.uri)}, got "
                "none; its files were changed, so align the pictures again"
            )
        return list(pool)

    def _whole_round(self) -> int:
        """Return a number of visits in a row that meet every row group."""
        groups = max(self._group_count(part) for part in range(len(self._parts)))
        return len(self._parts) * (groups + 1)

    def _count_groups(self, part: int) -> int:
        return self._table.count_picture_groups(self._parts[part])

    def _read_group(self, part: int, group: int) -> list[_Stored]:
        """Return what a row group holds of rows that are ok."""
        commit = self._parts[part]
        rows = self._table.read_columns(commit, ["record_id", "status", "camera"])
        good = {row["record_id"]: row["camera"] for row in rows if row["status"] == Status.OK}
        cameras = {
            record_id: None if camera is None else np.asarray(camera, dtype=np.float32)
            for record_id, camera in good.items()
        }
        pictures = self._table.read_picture_group(commit, group)
        return [(i, data, cameras[i]) for i, data in pictures if i in good]

    def _decode(self, part: int, group: int, row: int) -> np.ndarray:
        record_id, data, _ = self._load(part, group)[row]
        try:
            return brought_to(decode(data), self.size)
        except DecodeError as error:
            raise DecodeError(
                f"picture {record_id} of {redact(self.uri)} is damaged ({error}); align it again"
            ) from error


def _nothing(uri: str, found: bool, left_out: dict[str, int]) -> str:
    place = redact(uri)
    if found:
        counts = ", ".join(f"{n} {status}" for status, n in sorted(left_out.items())) or "no rows"
        return (
            f"pictures: expected aligned pictures in {place}, got none ({counts}); its records say "
            "why, and `itportrait align` takes other settings (--set align.min_confidence=0.5)"
        )
    if not uris.exists(uri):
        return (
            f"pictures: expected an aligned table (the folder `aligned` of an output), got "
            f"{place}, which is not there; check the path"
        )
    return (
        f"pictures: expected an aligned table (the folder `aligned` of an output), got {place}, "
        f"which is none; align the pictures first: `itportrait align {place} OUT`, and give "
        "OUT/aligned"
    )
