"""Portraits of a comparison: known by what they show, however they are divided, each once."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from itportrait.comparison import portraits as portraits_module
from itportrait.comparison.portraits import TRUTH, draw_people, find_portraits, read_portraits
from itportrait.comparison.style_store import StoredStyle
from itportrait.errors import NoInputError
from itportrait.image import decode
from itportrait.io.commits import Commit
from itportrait.io.parquet import PixelFormat, Row
from itportrait.jobs.stylize.config import JobConfig
from itportrait.jobs.stylize.job import StylizeJob
from itportrait.portraits import render
from itportrait.records import AlignedRecord, InvertedRecord, RecordError, Status
from tests.helpers.here import HereBackend
from tests.helpers.one_cell import cell_job, one_cell


@dataclass(frozen=True)
class Photo:
    """A photo, and the person that it shows; 0 is nobody."""

    name: str
    person: int


def stored(output, *shards):
    """Write the tables of these photos, and return the portraits in them."""
    config = one_cell(output, portraits="photos")
    settings = JobConfig(bundle="mini", input="photos", output=config.output, bank=f"{output}/bank")
    job = StylizeJob(settings, "model-0", HereBackend())
    job.totals.shards, job.totals.listed = len(shards), sum(map(len, shards))
    for shard, photos in enumerate(shards):
        aligned = [Row(str(number), _aligned(photo)) for number, photo in enumerate(photos)]
        people = dict.fromkeys(photo.person for photo in photos if photo.person)
        inverted = [Row(str(person), INVERTED[person]) for person in people]
        for recipe, rows in zip(job.chain, (aligned, inverted), strict=True):
            table = recipe.table()
            files = table.write_rows(shard, rows, pixel_format=PixelFormat())
            commit = Commit(
                stage=recipe.stage,
                shard=shard,
                fingerprint="",
                recipe=recipe.fingerprint,
                outputs="",
                files=files,
            )
            table.commit(commit, replaces=table.read_commit(shard))
    return find_portraits(config, job, None)


def _aligned(photo):
    if not photo.person:
        error = RecordError("align", "no_face", "no face was found")
        known = {"record_id": photo.name, "uri": photo.name}
        return AlignedRecord(**known, status=Status.REJECTED, error=error)
    return AlignedRecord(
        record_id=f"id-{photo.person}",
        uri=f"photos/{photo.name}",
        sha256=f"sha256-{photo.person}",
        camera=np.full(25, photo.person, np.float32),
        crop=np.zeros(3, np.float32),
        pixels=np.full((8, 8, 3), photo.person, np.uint8),
    )


def _inverted(person):
    return InvertedRecord(
        record_id=f"id-{person}",
        camera=np.full(25, person, np.float32),
        w_plus=np.full(4, person, np.float32),
    )


INVERTED = {person: _inverted(person) for person in (1, 2, 3)}
ANN, BEN, EVE = Photo("ann.png", 1), Photo("ben.png", 2), Photo("eve.png", 3)


def names(portraits):
    """Return the names of the portraits that each shard gives."""
    return [[each.name for each in read_portraits(portraits, shard)] for shard in portraits.shards]


def test_portraits_are_the_same_however_they_are_divided_but_their_parts_are_not(tmp_path):
    config, style = one_cell(tmp_path), StoredStyle("zombie-0", "sha256", 5, 1.0, 2, {})
    first, other = stored(tmp_path / "a", [ANN], [BEN]), stored(tmp_path / "b", [BEN, ANN])
    assert first.digest == other.digest
    jobs = [cell_job(config, style, portraits=each) for each in (first, other)]
    assert jobs[0].fingerprint == jobs[1].fingerprint
    parts = [job.part(0).rpartition("/")[2] for job in jobs]
    assert parts[0] != parts[1]

    assert stored(tmp_path / "c", [ANN], [EVE]).digest != first.digest
    assert stored(tmp_path / "d", [ANN, BEN, EVE]).digest != first.digest
    assert stored(tmp_path / "e", [ANN, BEN, Photo("wall.png", 0)]).digest == first.digest


def test_portraits_that_came_out_otherwise_are_others(tmp_path, monkeypatch):
    first = stored(tmp_path / "a", [ANN])
    again = dataclasses.replace(_inverted(1), w_plus=np.full(4, 1.001, np.float32))
    monkeypatch.setitem(INVERTED, 1, again)
    assert stored(tmp_path / "b", [ANN]).digest != first.digest


def test_a_photo_that_is_there_twice_counts_once_and_that_is_said(tmp_path):
    again, copy, wall = Photo("again.png", 1), Photo("copy.png", 1), Photo("wall.png", 0)
    found = stored(tmp_path, [ANN, again], [wall], [copy, BEN], [ANN])
    assert names(found) == [["ann.png"], ["ben.png"]]
    assert found.shards == (0, 2)
    same = "the same photo as ann.png, which stands for both"
    assert found.lost == (
        ("again.png", same),
        ("wall.png", "align: no face was found"),
        ("copy.png", same),
        ("ann.png", same),
    )
    assert found.listed == 6
    assert found.digest == stored(tmp_path / "once", [ANN, BEN]).digest


def test_lost_photos_of_one_name_are_each_told(tmp_path):
    found = stored(tmp_path, [Photo("a.png", 1), Photo("a/x.png", 0), Photo("b/x.png", 0)])
    assert found.lost == (("x.png", "align: no face was found"),) * 2


def test_without_a_portrait_the_reasons_are_said(tmp_path):
    with pytest.raises(NoInputError, match=r"none of 1 photos .* wall.png: align: no face"):
        stored(tmp_path, [Photo("wall.png", 0)])


def test_drawn_people_are_drawn_anew_in_another_size_or_by_another_version(tmp_path, monkeypatch):
    config = one_cell(tmp_path, portraits="mini:2")
    monkeypatch.setattr(portraits_module, "PHOTO_SIZE", 64)
    first = draw_people(config)
    drawn = Path(first, TRUTH).stat().st_mtime_ns
    assert draw_people(config) == first
    assert Path(first, TRUTH).stat().st_mtime_ns == drawn
    monkeypatch.setattr(portraits_module, "PHOTO_SIZE", 80)
    monkeypatch.setattr(render, "VERSION", render.VERSION + 1)
    assert decode(Path(draw_people(config), "portrait-00000.png").read_bytes()).shape[0] == 80
