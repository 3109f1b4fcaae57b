"""The work on a shard: every input has its rows, and what stands is not computed again."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from itportrait.engine.work import ShardTask, run_shard
from itportrait.errors import ItportraitError
from itportrait.ingest import list_sources
from itportrait.io import uris
from itportrait.records import Source, Status, content_id
from itportrait.stages.items import UpstreamDamagedError
from itportrait.stages.registry import CHAIN
from itportrait.stages.shards import Shard, iter_shards
from tests.engine.fake_stages import build, chain, computed, recipe

ALIGN, INVERT, STYLIZE = CHAIN


@pytest.fixture
def log(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    return folder


def only_shard(folder) -> Shard:
    (shard,) = iter_shards(list_sources(str(folder), patterns=["*"]), 100)
    return shard


def run_chain(folder, output, log, **values):
    shard = only_shard(folder)
    return [run_shard(r, ShardTask(shard)) for r in chain(output, log=log, **values)]


def rows_of(recipe, pixels=False):
    table = recipe.table()
    return [row for commit in table.commits() for row in table.read_rows(commit, pixels=pixels)]


def test_every_input_has_a_row_in_every_stage_it_reached(photos, tmp_path, log):
    folder = photos("a.png", "b.png", "broken.png", "noface.png", "defect.png")
    aligned, inverted, stylized = run_chain(folder, tmp_path / "out", log)
    assert (aligned.inputs, aligned.ok, aligned.rejected, aligned.failed) == (5, 2, 1, 2)
    assert aligned.reasons == {"DecodeError": 1, "KeyError": 1, "no_face": 1}
    assert (inverted.inputs, inverted.ok) == (2, 2)
    assert (stylized.inputs, stylized.ok) == (2, 2)
    assert stylized.sums["identity"] == [pytest.approx(1.8), 2]
    align, _, stylize = chain(tmp_path / "out")
    found = {row.record.uri.rsplit("/", 1)[-1]: row.record for row in rows_of(align)}
    assert found["defect.png"].error.type == "KeyError"
    assert found["defect.png"].record_id
    assert all(len(row.record.pixels) == 2 for row in rows_of(stylize, pixels=True))


def test_second_run_computes_nothing_and_changes_no_file(photos, tmp_path, log):
    folder = photos("a.png", "b.png", "broken.png")
    first = run_chain(folder, tmp_path / "out", log)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*") if p.is_file()}
    lines = {stage: computed(log, stage) for stage in ("align", "invert", "stylize-bronze")}
    assert run_chain(folder, tmp_path / "out", log) == first
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert {stage: computed(log, stage) for stage in lines} == lines


def test_one_new_photo_computes_that_one_alone(photos, tmp_path, log):
    run_chain(photos("a.png", "c.png"), tmp_path / "out", log)
    commits = run_chain(photos("b.png"), tmp_path / "out", log)
    assert [commit.inputs for commit in commits] == [3, 3, 3]
    assert [commit.computed for commit in commits] == [1, 1, 1]
    assert computed(log, "invert") == ["a.png", "c.png", "b.png"]
    uris_found = [row.record.uri[-5:] for row in rows_of(chain(tmp_path / "out")[0])]
    assert uris_found == ["a.png", "b.png", "c.png"]


def test_another_threshold_computes_only_what_it_touches(photos, tmp_path, log):
    folder = photos("a.png", "b.png", "c.png")
    run_chain(folder, tmp_path / "out", log)
    shard = only_shard(folder)
    align, invert, stylize = chain(tmp_path / "out", log=log)
    run_shard(replace(align, config='{"reject": ["b.png"]}'), ShardTask(shard))
    inverted, stylized = (run_shard(r, ShardTask(shard)) for r in (invert, stylize))
    assert len(computed(log, "align")) == 6
    assert (inverted.inputs, inverted.computed) == (2, 0)
    assert (stylized.inputs, stylized.computed) == (2, 0)


def test_another_configuration_of_a_stage_computes_that_stage(photos, tmp_path, log):
    folder = photos("a.png")
    run_chain(folder, tmp_path / "out", log)
    _, _, stylize = chain(tmp_path / "out", log=log)
    run_shard(replace(stylize, config='{"strength": 0.5}'), ShardTask(only_shard(folder)))
    assert computed(log, "invert") == ["a.png"]
    assert computed(log, "stylize-bronze") == ["a.png"] * 2


def test_retry_failed_computes_failed_rows_alone(photos, tmp_path, log):
    folder = photos("a.png", "noface.png", "broken.png")
    run_chain(folder, tmp_path / "out", log)
    commit = run_chain(folder, tmp_path / "out", log, retry_failed=True)[0]
    assert commit.failed == 1
    assert computed(log, "align") == ["a.png", "broken.png", "noface.png", "broken.png"]


def test_same_content_is_computed_once_and_has_its_own_row(photos, tmp_path, log):
    folder = photos("a.png", "b.png")
    (folder / "again.png").write_bytes((folder / "b.png").read_bytes())
    aligned, inverted, stylized = run_chain(folder, tmp_path / "out", log)
    assert (aligned.inputs, aligned.ok, aligned.rows_ok) == (3, 3, 2)
    assert (inverted.inputs, stylized.inputs) == (2, 2)
    assert len(computed(log, "align")) == 2
    records = [row.record for row in rows_of(chain(tmp_path / "out")[0])]
    repeats = [record for record in records if record.duplicate_of]
    assert [record.uri[-5:] for record in repeats] == ["b.png"]
    assert repeats[0].duplicate_of.endswith("again.png")


def test_duplicate_outlives_the_photo_it_repeats(photos, tmp_path, log):
    folder = photos("b.png")
    (folder / "again.png").write_bytes((folder / "b.png").read_bytes())
    run_chain(folder, tmp_path / "out", log)
    (folder / "again.png").write_bytes(b"something else")
    aligned, inverted, _ = run_chain(folder, tmp_path / "out", log)
    assert (aligned.rows_ok, inverted.ok) == (2, 2)
    assert all(row.record.pixels is not None for row in rows_of(chain(tmp_path / "out")[0], True))


def rows_per_face(folder, *, shift=(0.0, 9.0)):
    """Return a shard of one photo whose rows bring other landmarks."""
    points = np.arange(10.0).reshape(5, 2)
    photo = str(folder / "a.png")
    return Shard(0, tuple(Source(uri=photo, version="1", landmarks=points + s) for s in shift))


def test_a_row_a_face_is_a_portrait_a_face(photos, tmp_path, log):
    shard = rows_per_face(photos("a.png"), shift=(0.0, 9.0, 0.0))
    align, invert, stylize = (
        run_shard(r, ShardTask(shard)) for r in chain(tmp_path / "out", log=log)
    )
    assert (align.ok, align.rows_ok, align.computed) == (3, 2, 2)
    assert (invert.ok, stylize.ok) == (2, 2)
    records = [row.record for row in rows_of(chain(tmp_path / "out")[0])]
    assert records[0].record_id == records[2].record_id != records[1].record_id
    assert records[2].duplicate_of == records[0].uri


def test_people_that_release_0_1_merged_are_told_apart_by_a_rerun(photos, tmp_path, log):
    folder = photos("a.png", "b.png")
    shard = rows_per_face(folder)
    shard = Shard(0, (*shard.sources, Source(uri=str(folder / "b.png"))))
    align = recipe(ALIGN, tmp_path / "out", log=log)
    old = replace(align, builder="tests.engine.test_work:ids_of_content_alone")
    assert run_shard(old, ShardTask(shard)).rows_ok == 2
    commit = run_shard(align, ShardTask(shard))
    assert (commit.ok, commit.rows_ok, commit.computed) == (3, 3, 2)
    assert computed(log, "align") == ["a.png", "a.png", "b.png", "a.png", "a.png"]
    assert run_shard(align, ShardTask(shard)) == commit


def test_a_line_that_stands_twice_and_cannot_be_read_is_tried_once(tmp_path, log):
    (tmp_path / "inputs.txt").write_text("gone.png\nother.png\ngone.png\n")
    (shard,) = iter_shards(list_sources(str(tmp_path / "inputs.txt")), 100)
    align = recipe(ALIGN, tmp_path / "out", log=log)
    commit = run_shard(align, ShardTask(shard))
    assert (commit.inputs, commit.failed) == (3, 3)
    assert commit.computed == 2
    first, other, again = (row.record for row in rows_of(align))
    assert first.record_id == again.record_id != other.record_id
    assert (first.duplicate_of, again.duplicate_of) == (None, first.uri)
    assert again.error == first.error


def test_quarantined_photo_is_a_failed_row_and_is_not_touched(photos, tmp_path, log):
    shard = only_shard(photos("a.png", "poison.png"))
    align = recipe(ALIGN, tmp_path / "out", log=log)
    task = ShardTask(shard, quarantined={1: ("WorkerLost", "it ended its process twice")})
    commit = run_shard(align, task)
    assert (commit.ok, commit.failed) == (1, 1)
    bad = next(row.record for row in rows_of(align) if row.record.status is Status.FAILED)
    assert (bad.error.type, bad.uri[-10:]) == ("WorkerLost", "poison.png")


def test_ranges_are_kept_aside_and_put_together(photos, tmp_path, log):
    shard = only_shard(photos("a.png", "b.png", "c.png", "poison.png"))
    align = recipe(ALIGN, tmp_path / "out", log=log)
    for start, stop in ((0, 2), (2, 3)):
        run_shard(align, ShardTask(shard, start, stop))
    assert rows_of(align) == []
    task = ShardTask(shard, quarantined={3: ("WorkerLost", "")}, searched=True)
    commit = run_shard(align, task)
    assert (commit.inputs, commit.ok, commit.failed, commit.computed) == (4, 3, 1, 0)
    assert sorted(computed(log, "align")) == ["a.png", "b.png", "c.png"]
    assert uris.list_names(align.partial_table(0).root) == []


def weights_of(recipe):
    return [row.record.weights for row in rows_of(recipe)]


def test_weights_of_ranges_are_put_together(photos, tmp_path, log):
    folder = photos("a-tuned.png", "b.png", "c-tuned.png")
    _, expected, _ = chain(tmp_path / "whole")
    run_chain(folder, tmp_path / "whole", log)
    align, invert, _ = chain(tmp_path / "out", log=log)
    shard = only_shard(folder)
    run_shard(align, ShardTask(shard))
    before = computed(log, "invert")
    for start, stop in ((0, 2), (2, 3)):
        run_shard(invert, ShardTask(shard, start, stop))
    assert rows_of(invert) == []
    assert run_shard(invert, ShardTask(shard, searched=True)).computed == 0
    assert len(computed(log, "invert")) == len(before) + 3
    found = weights_of(invert)
    assert [weights is None for weights in found] == [False, True, False]
    assert found[0] != found[2]
    assert found == weights_of(expected)
    assert uris.list_names(invert.partial_table(0).root) == []


def test_weights_of_a_repeat_are_copied_from_another_shard(photos, tmp_path, log):
    folder = photos("a-tuned.png", "b.png")
    for name, old in (("c-tuned.png", "a-tuned.png"), ("d.png", "b.png")):
        (folder / name).write_bytes((folder / old).read_bytes())
    align, invert, _ = chain(tmp_path / "out", log=log)
    shards = list(iter_shards(list_sources(str(folder), patterns=["*"]), 2))
    for shard in shards:
        run_shard(align, ShardTask(shard))
    run_shard(invert, ShardTask(shards[0]))
    assert run_shard(invert, ShardTask(shards[1], copy_from=(0,))).computed == 0
    assert computed(log, "invert") == ["a-tuned.png", "b.png"]
    tuned, plain, *copies = weights_of(invert)
    assert tuned is not None
    assert copies == [tuned, plain] == [tuned, None]


def say_precision(table, number, precision):
    """Let a commit say what its rows were computed with, which stages that are faked do not."""
    commit = table.read_commit(number)
    table.commit(replace(commit, precision=precision), replaces=commit)


def test_kept_rows_keep_the_precision_of_the_commits_that_have_them(photos, tmp_path, log):
    align = recipe(ALIGN, tmp_path / "out", log=log)
    shard = only_shard(photos("a.png", "b.png"))
    run_shard(replace(align, config='{"reject": ["b.png"]}'), ShardTask(shard))
    say_precision(align.table(), 0, "fp32")  # of another recipe: nothing of it is kept
    for start, precision in ((0, "bf16"), (1, "fp16")):
        run_shard(align, ShardTask(shard, start, start + 1))
        say_precision(align.partial_table(0), start, precision)
    commit = run_shard(align, ShardTask(shard, searched=True))
    assert (commit.computed, commit.precision) == (0, "bf16+fp16")
    run_shard(align, ShardTask(replace(shard, index=1), copy_from=(0,)))
    assert align.table().read_commit(1).precision == "bf16+fp16"


def test_range_of_a_shard_keeps_what_the_whole_has(photos, tmp_path, log):
    run_chain(photos("a.png", "b.png"), tmp_path / "out", log)
    shard = only_shard(photos("c.png"))
    commit = run_shard(recipe(ALIGN, tmp_path / "out", log=log), ShardTask(shard, 1, 3))
    assert (commit.inputs, commit.computed) == (2, 1)
    assert computed(log, "align") == ["a.png", "b.png", "c.png"]


def test_truncated_upstream_file_is_told_with_its_stage(photos, tmp_path, log):
    folder = photos("a.png")
    run_chain(folder, tmp_path / "out", log)
    align, invert, _ = chain(tmp_path / "out", log=log)
    path = uris.join(align.table().root, align.table().read_commit(0).files["pixels"].path)
    uris.put_bytes(path, uris.read_bytes(path)[:-20])
    shard = only_shard(folder)
    with pytest.raises(UpstreamDamagedError) as damage:
        run_shard(replace(invert, config='{"steps": 2}'), ShardTask(shard))
    assert damage.value.stage == ALIGN
    assert pickle.loads(pickle.dumps(damage.value)).stage == ALIGN
    # The align stage itself finds its file short and makes it again.
    assert run_shard(align, ShardTask(shard)).computed == 1
    assert run_shard(invert, ShardTask(shard)).ok == 1


def test_stage_that_cannot_start_is_an_error_and_no_row(photos, tmp_path):
    shard = only_shard(photos("a.png"))
    broken = recipe(ALIGN, tmp_path / "out", builder="tests.engine.test_work:no_models")
    with pytest.raises(ItportraitError, match=r"align cannot start: RuntimeError: no models"):
        run_shard(broken, ShardTask(shard))
    assert rows_of(broken) == []


def test_stage_that_forgets_an_input_cannot_lose_it(photos, tmp_path):
    shard = only_shard(photos("a.png", "b.png"))
    careless = recipe(ALIGN, tmp_path / "out", builder="tests.engine.test_work:forgetful")
    commit = run_shard(careless, ShardTask(shard))
    assert (commit.inputs, commit.failed) == (2, 2)
    assert commit.reasons == {"MissingRow": 2}


def test_fingerprints_leave_out_what_does_not_matter(tmp_path):
    align, invert, stylize = chain(tmp_path)
    assert replace(invert, device="cuda", timeout_s=1).fingerprint == invert.fingerprint
    assert replace(invert, model_id="other").fingerprint != invert.fingerprint
    assert replace(invert, precision="fast").fingerprint != invert.fingerprint
    assert replace(stylize, version="2").fingerprint != stylize.fingerprint
    assert len({align.fingerprint, invert.fingerprint, stylize.fingerprint}) == 3


def ids_of_content_alone(recipe):
    def align(source):
        (record,) = build(recipe)([source])[0]
        return [replace(record, record_id=content_id(record.sha256))]

    return lambda sources: [align(source) for source in sources]


def no_models(recipe):
    raise RuntimeError("no models")


def forgetful(recipe):
    return lambda sources: [[] for _ in sources]
