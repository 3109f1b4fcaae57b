"""The same photo in several shards: inverted and stylized once, and whole in each of them."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from itportrait.engine.local import committed_shards, run_stage
from itportrait.engine.repeats import NO_PORTRAIT, Holders, Repeats
from itportrait.engine.work import ShardTask, row_digest, run_shard
from itportrait.io import uris
from tests.conftest import REPOSITORY
from tests.engine.fake_engine import engine, shards_of
from tests.engine.fake_stages import chain, computed

A, B, C = (digit * 16 for digit in "abc")
LATER = ("invert", "stylize-bronze", "stylize-clay")


@pytest.fixture
def log(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(tmp_path):
    """Eight photos, two of which stand three times each: with two to a shard, no shard is alone."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, content in zip("abcdefgh", ("1", "2", "1", "3", "4", "1", "3", "3"), strict=True):
        (folder / f"{name}.png").write_text(f"portrait {content}")
    return folder


def run(folder, output, log, **values):
    """Run the real engine on Ray; return its totals."""
    made = engine(chain(output, ("bronze", "clay"), log=log, **values))
    made.run(shards_of(folder, 2))
    return made.totals


def content_of(output):
    """Return all that the tables hold but the timings: shard, key and content of every row."""
    found = []
    for recipe in chain(output, ("bronze", "clay")):
        table = recipe.table()
        for commit in table.commits():
            pictures = [entry.sha256 for kind, entry in commit.files.items() if kind == "pixels"]
            found.append((recipe.name, commit.shard, commit.outputs, *pictures))
            found += [(row.key, row_digest(row.record)) for row in table.read_rows(commit)]
    return found


def counts(log):
    return [len(computed(log, stage)) for stage in LATER]


def test_holders_of_a_photo_are_found_and_replaced():
    holders = Holders()
    holders.put(0, A + B + A)
    holders.put(7, B + NO_PORTRAIT + C)
    holders.put(3, NO_PORTRAIT + B)
    assert list(holders.of_repeats(0)) == [[3, 7]]
    assert list(holders.of_repeats(3)) == [[0, 7]]
    holders.put(7, A)
    assert list(holders.of_repeats(0)) == [[7], [3]]
    holders.put(0, "")
    assert [list(holders.of_repeats(shard)) for shard in (0, 3, 7, 9)] == [[], [], [], []]


def test_shard_waits_for_those_that_compute_its_photos_and_for_no_others(tmp_path):
    _, invert, bronze, clay = chain(tmp_path, ("bronze", "clay"))
    repeats, begun = Repeats(), []

    def begin(recipe, shard):
        repeats.begin(recipe, shard, lambda sources: begun.append((recipe.name, shard, sources)))

    for shard, photos in enumerate((A, A + B, C, B + C)):
        repeats.hold(shard, photos)
        begin(invert, shard)
    assert begun == [("invert", 0, ()), ("invert", 2, ())]
    repeats.end(invert, 2)
    assert len(begun) == 2  # 3 waits for 1, which waits for 0
    repeats.end(invert, 0)
    assert begun[2:] == [("invert", 1, (0,))]
    repeats.end(invert, 1)
    assert begun[3:] == [("invert", 3, (1, 2))]
    begin(bronze, 3)
    begin(bronze, 1)
    begin(clay, 1)  # another domain is another matter
    assert begun[4:] == [("stylize bronze", 3, ()), ("stylize clay", 1, ())]
    repeats.end(bronze, 3)
    assert begun[6:] == [("stylize bronze", 1, (3,))]


def test_repeats_are_computed_once_and_have_their_own_rows(ray_cluster, folder, tmp_path, log):
    totals = run(folder, tmp_path / "out", log)
    assert counts(log) == [4, 4, 4]
    for name in ("invert", "stylize bronze", "stylize clay"):
        stage = totals.stage(name)
        assert (stage.inputs, stage.ok, stage.computed) == (7, 7, 4)  # g and h share a shard
    _, invert, bronze, _ = chain(tmp_path / "out", ("bronze", "clay"))
    for recipe in (invert, bronze):
        rows = [recipe.table().read_rows(commit) for commit in recipe.table().commits()]
        assert [len(shard) for shard in rows] == [2, 2, 2, 1]
    assert all(row.record.pixels for shard in rows for row in shard)
    again = run(folder, tmp_path / "out", log)
    assert all(stage.computed == 0 for stage in again.stages.values())
    assert counts(log) == [4, 4, 4]


def test_run_that_goes_on_copies_from_what_stands_and_gives_the_same(
    ray_cluster, folder, tmp_path, log
):
    out = tmp_path / "out"
    run(folder, out, log)
    before = content_of(out)
    _, invert, bronze, _ = chain(out, ("bronze", "clay"))
    for shard in (0, 1):
        invert.table().discard(shard)
    for shard in (0, 2, 3):
        bronze.table().discard(shard)
    run(folder, out, log)
    # Photo 1 stands in shard 2 as well, photo 3 in 3; of the first two shards only 2 was lost.
    assert counts(log) == [4 + 1, 4 + 2, 4]
    assert content_of(out) == before


@pytest.mark.slow
def test_killed_drivers_leave_the_same_bytes_as_a_run_in_peace(ray_cluster, folder, tmp_path, log):
    address = ray_cluster.get_runtime_context().gcs_address
    wild, calm = tmp_path / "wild", tmp_path / "calm"
    command = [sys.executable, "-m", "tests.engine.engine_job"]
    command += map(str, (folder, wild, log, address))
    for kill_at in (5, 9, None):
        process = subprocess.Popen(command, cwd=REPOSITORY, start_new_session=True)
        while kill_at and process.poll() is None:
            if len(list(wild.rglob("_commits/**/*.json"))) >= kill_at:
                os.killpg(process.pid, signal.SIGKILL)
                break
            time.sleep(0.01)
        process.wait()
    assert process.returncode == 0
    run(folder, calm, None)
    assert content_of(wild) == content_of(calm)


def test_copies_stay_when_the_shard_they_come_from_changes(ray_cluster, folder, tmp_path, log):
    out = tmp_path / "out"
    run(folder, out, log)
    for name in "ab":
        (folder / f"{name}.png").write_text(f"another portrait {name}")
    totals = run(folder, out, log)
    assert counts(log) == [6, 6, 6]
    assert totals.stage("stylize bronze").ok == 7
    assert totals.stage("stylize bronze").shards_kept == 3


def test_stages_of_the_command_line_copy_as_well(folder, tmp_path, log):
    align, invert, stylize = chain(tmp_path / "out", log=log)
    run_stage(align, shards_of(folder, 2))
    for recipe in (invert, stylize):
        totals = run_stage(recipe, committed_shards(recipe))
        assert (totals.ok, totals.computed) == (7, 4)
        found = [names_of(recipe, shard) for shard in range(4)]
        assert found == [["a", "b"], ["c", "d"], ["e", "f"], ["g"]]  # each shard's own photos
    assert counts(log) == [4, 4, 0]


def names_of(recipe, shard):
    """Return what rows and pictures of a shard say of their photos: the names."""
    table = recipe.table()
    commit = table.read_commit(shard)
    rows = [row.record.uri for row in table.read_rows(commit)]
    for entry in [entry for kind, entry in commit.files.items() if kind == "pixels"]:
        pictures = pq.read_table(uris.join(table.root, entry.path), partitioning=None)
        assert list(dict.fromkeys(pictures["uri"].to_pylist())) == rows
    return [uri.rsplit("/", 1)[-1].removesuffix(".png") for uri in rows]


@pytest.mark.parametrize("harm", ["gone", "damaged", "another recipe"])
def test_what_cannot_be_copied_is_computed(folder, tmp_path, log, harm):
    align, invert, _ = chain(tmp_path / "out", log=log)
    first, second, *_ = shards_of(folder, 2)
    for shard in (first, second):
        run_shard(align, ShardTask(shard))
    run_shard(invert, ShardTask(first))
    assert computed(log, "invert") == ["a.png", "b.png"]
    table = invert.table()
    commit = table.read_commit(0)
    if harm == "gone":
        table.discard(0)
    elif harm == "damaged":
        path = uris.join(table.root, commit.files["records"].path)
        uris.put_bytes(path, uris.read_bytes(path)[:-30])
    else:
        invert = replace(invert, config='{"steps": 2}')
    done = run_shard(invert, ShardTask(second, copy_from=(0, 5)))
    assert (done.ok, done.computed) == (2, 2)
    assert computed(log, "invert")[2:] == ["c.png", "d.png"]


def test_failed_row_is_not_copied(folder, tmp_path, log):
    _, invert, _ = chain(tmp_path / "out", log=log)
    first, second, *_ = shards_of(folder, 2)
    for shard in (first, second):
        run_shard(chain(tmp_path / "out")[0], ShardTask(shard))
    run_shard(invert, ShardTask(first, quarantined={0: ("WorkerLost", "it ended its process")}))
    done = run_shard(invert, ShardTask(second, copy_from=(0,)))
    assert (done.ok, done.failed, done.computed) == (2, 0, 2)
    retry = replace(invert, retry_failed=True)
    mended = run_shard(retry, ShardTask(first, copy_from=(1,)))
    assert (mended.ok, mended.failed, mended.computed) == (2, 0, 0)
    rows = invert.table().read_rows(invert.table().read_commit(0))
    assert next(row.record.seconds for row in rows) == 0


def test_copied_row_keeps_every_byte_of_its_pictures(folder, tmp_path, log):
    align, _, stylize = chain(tmp_path / "out", log=log)
    first, second, *_ = shards_of(folder, 2)
    lossy = replace(stylize.pixel_format, kind="jpeg", quality=50)
    for shard, sources in ((first, ()), (second, (0,))):
        for recipe in (align, *chain(tmp_path / "out", log=log)[1:]):
            run_shard(replace(recipe, pixel_format=lossy), ShardTask(shard, copy_from=sources))
    table = stylize.table()
    rows = [table.read_rows(table.read_commit(shard)) for shard in (0, 1)]
    (copied,) = [row for row in rows[1] if row.key == rows[0][0].key]
    assert copied.pictures == rows[0][0].pictures
    assert computed(log, "stylize-bronze") == ["a.png", "b.png", "d.png"]
