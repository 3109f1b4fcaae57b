"""Stages in this very process, as the command line runs them on a folder."""

import time
from dataclasses import replace

import pytest
from fsspec.implementations.local import LocalFileSystem

from itportrait.align.config import AlignConfig
from itportrait.engine.local import committed_shards, run_stage
from itportrait.errors import ItportraitError
from itportrait.io import uris
from itportrait.stages.recipe import Recipe
from tests.engine.fake_engine import shards_of
from tests.engine.fake_stages import chain, computed


@pytest.fixture
def log(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("harm", ["gone", "short", "other bytes"])
@pytest.mark.parametrize("kind", ["records", "pixels"])
def test_a_damaged_shard_is_refused_until_its_stage_has_run_again(
    photos, tmp_path, log, kind, harm
):
    folder = photos("a.png", "b.png", "c.png")
    align, invert, _ = chain(tmp_path / "out", log=log)
    run_stage(align, shards_of(folder, 2))
    path = uris.join(align.table().root, align.table().read_commit(0).files[kind].path)
    data = uris.read_bytes(path)
    if harm == "gone":
        uris.remove(path)
    else:
        uris.put_bytes(path, data[:-20] if harm == "short" else data[:-1] + b"?")
    for _ in range(2):
        with pytest.raises(ItportraitError, match="run `itportrait align` again"):
            run_stage(invert, committed_shards(invert))
    assert run_stage(align, shards_of(folder, 2)).ok == 3
    assert computed(log, "align")[3:] == ["a.png", "b.png"]
    assert uris.read_bytes(path) == data
    assert run_stage(invert, committed_shards(invert)).ok == 3


def test_what_lacks_memory_is_a_row_and_the_rest_goes_on_at_once(photos, tmp_path, log):
    names = [f"{letter}.png" for letter in "abcdefghijklmnop"]
    names[13] = "n-greedy.png"
    (shard,) = shards_of(photos(*names), 16)
    align, *_ = chain(tmp_path / "out", log=log)
    said: list[str] = []
    began = time.monotonic()
    totals = run_stage(align, [shard], on_event=said.append)
    assert time.monotonic() - began < 5  # no pause: nothing beside it would give memory back
    assert (totals.ok, totals.failed, dict(totals.reasons)) == (15, 1, {"OutOfMemory": 1})
    # The whole shard is computed once, and then only the halves in which the record is.
    done = computed(log, "align")
    assert done.count("a.png") == 2
    assert done.count("n-greedy.png") == 1 + 4 + 1
    assert max(done.count(name) for name in names if "greedy" not in name) <= 5
    (lacking,) = (
        row.record.error
        for commit in align.table().commits()
        for row in align.table().read_rows(commit)
        if row.record.error
    )
    assert "it needs more memory than this machine has (no memory for 900 GB)" in lacking.message
    assert not any("process was lost" in text or "node" in text for text in said)
    assert said[0].startswith("align, shard 0: it ran out of memory; looking for the record")
    again = run_stage(replace(align, retry_failed=True), [shard])
    assert (again.ok, again.failed) == (15, 1)


def test_how_far_a_shard_is_is_said_while_it_is_computed(photos, tmp_path):
    settings = AlignConfig(size=64).model_dump_json()
    recipe = Recipe(stage="align", output=str(tmp_path / "out"), config=settings, bundle="mini")
    heard: list[object] = []
    shards = shards_of(photos("a.png", "b.png", "c.png"), 2)
    run_stage(
        recipe,
        shards,
        on_commit=lambda commit, kept: heard.append(f"shard {commit.shard}"),
        on_progress=lambda items, text: heard.append((items, text)),
    )
    assert heard == [(1, ""), (2, ""), "shard 0", (1, ""), "shard 1"]


def test_a_shard_of_one_record_that_lacks_memory_is_a_row(photos, tmp_path, log):
    align, *_ = chain(tmp_path / "out", log=log)
    totals = run_stage(align, shards_of(photos("greedy.png"), 4))
    assert (totals.ok, totals.failed, dict(totals.reasons)) == (0, 1, {"OutOfMemory": 1})
    assert len(computed(log, "align")) == 3


def test_markers_that_cannot_be_read_at_first_are_read_again(photos, tmp_path, log, monkeypatch):
    align, invert, _ = chain(tmp_path / "out", log=log)
    run_stage(align, shards_of(photos("a.png", "b.png"), 1))
    failed: set[str] = set()

    def fail_once(whole):
        def call(self, path, *args, **kwargs):
            if "/_commits" in str(path) and path not in failed:
                failed.add(path)
                raise ConnectionError("the storage hung up")
            return whole(self, path, *args, **kwargs)

        return call

    for name in ("ls", "cat_file"):
        monkeypatch.setattr(LocalFileSystem, name, fail_once(getattr(LocalFileSystem, name)))
    assert run_stage(invert, committed_shards(invert)).ok == 2
    assert {path.rsplit("/out/", 1)[-1] for path in failed} >= {
        "aligned/_commits",
        "aligned/_commits/00000.json",
        "aligned/_commits/00001.json",
    }
