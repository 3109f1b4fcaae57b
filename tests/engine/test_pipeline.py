"""The engine on a real Ray: faults are a normal condition, and no record is lost to one."""

import threading
import time
from concurrent.futures import Future
from dataclasses import replace

import pytest

from itportrait.engine.pipeline import Domain
from itportrait.errors import ItportraitError, OutputError
from itportrait.io import uris
from tests.engine.fake_engine import LIMITS, engine, shards_of
from tests.engine.fake_stages import FLAKY, chain, computed


@pytest.fixture
def job(ray_cluster, tmp_path):
    """A function that runs a job on a folder and returns its totals."""
    (tmp_path / "log").mkdir()

    def run(folder, *, output=None, domains=("bronze",), shard_size=3, limits=LIMITS, **values):
        recipes = chain(output or tmp_path / "out", domains, log=tmp_path / "log", **values)
        made = engine(recipes, limits=limits)
        made.run(shards_of(folder, shard_size))
        return made.totals

    return run


def counts(totals, stage):
    found = totals.stage(stage)
    return found.inputs, found.ok, found.rejected, found.failed


def names(recipe):
    table = recipe.table()
    rows = [row for commit in table.commits() for row in table.read_rows(commit, pixels=False)]
    return [row.record.uri.rsplit("/", 1)[-1] for row in rows]


def test_chain_without_a_barrier_and_then_nothing_to_do(job, photos, tmp_path):
    folder = photos(*(f"{i:02d}.png" for i in range(7)), "broken.png", "noface.png")
    totals = job(folder, domains=("bronze", "zombie"))
    assert counts(totals, "align") == (9, 7, 1, 1)
    for stage in ("invert", "stylize bronze", "stylize zombie"):
        assert counts(totals, stage) == (7, 7, 0, 0)
    began = time.monotonic()
    again = job(folder, domains=("bronze", "zombie"))
    assert {n: counts(again, n) for n in again.stages} == {
        n: counts(totals, n) for n in totals.stages
    }
    assert all(stage.computed == 0 for stage in again.stages.values())
    assert len(computed(tmp_path / "log", "align")) == 9
    print(f"second run: {time.monotonic() - began:.2f} s")


def test_another_domain_computes_only_its_stage(job, photos, tmp_path):
    folder = photos("a.png", "b.png")
    job(folder)
    totals = job(folder, domains=("bronze", "clay"))
    log = tmp_path / "log"
    assert [len(computed(log, s)) for s in ("align", "invert", "stylize-bronze")] == [2, 2, 2]
    assert counts(totals, "stylize clay") == (2, 2, 0, 0)


def test_fewer_inputs_leave_no_rows_behind(job, photos, tmp_path):
    folder = photos(*(f"{i}.png" for i in range(7)))
    job(folder)
    for i in range(3, 7):
        (folder / f"{i}.png").unlink()
    totals = job(folder)
    assert counts(totals, "align") == (3, 3, 0, 0)
    align, invert, stylize = chain(tmp_path / "out")
    assert names(align) == ["0.png", "1.png", "2.png"]
    for recipe in (invert, stylize):
        assert recipe.table().shards() == [0]
        assert len(recipe.table().sizes()) in (1, 2)


def test_shard_without_portraits_takes_back_what_later_stages_held(job, photos, tmp_path):
    folder = photos("a.png")
    job(folder)
    totals = job(folder, config='{"reject": ["a.png"]}')
    assert counts(totals, "align") == (1, 0, 1, 0)
    assert [r.table().shards() for r in chain(tmp_path / "out")] == [[0], [], []]


@pytest.mark.slow
def test_poison_record_is_quarantined_and_costs_nobody_else(job, photos, tmp_path):
    folder = photos("a.png", "b.png", "c.png", "d.png", "poison.png")
    totals = job(folder, shard_size=5)
    assert counts(totals, "align") == (5, 4, 0, 1)
    assert totals.stage("align").reasons == {"WorkerLost": 1}
    assert counts(totals, "stylize bronze") == (4, 4, 0, 0)
    again = job(folder, shard_size=5)
    assert again.stage("align").computed == 0
    assert computed(tmp_path / "log", "align").count("poison.png") >= 3
    assert uris.list_names(str(tmp_path / "out" / "aligned" / "_partial")) == []


@pytest.mark.slow
def test_record_that_needs_too_much_memory_is_told_apart_from_a_crash(job, photos, tmp_path):
    folder = photos("a.png", "b.png", "c.png", "greedy.png")
    totals = job(folder, shard_size=4)
    assert counts(totals, "align") == (4, 3, 0, 1)
    assert totals.stage("align").reasons == {"OutOfMemory": 1}
    table = chain(tmp_path / "out")[0].table()
    rows = [row.record for commit in table.commits() for row in table.read_rows(commit)]
    (error,) = (record.error for record in rows if record.error)
    assert "with nothing beside it and memory to spare" in error.message
    assert job(folder, shard_size=4).stage("align").computed == 0


@pytest.mark.slow
def test_hanging_record_is_ended_and_quarantined(job, photos):
    folder = photos("a.png", "hang.png")
    limits = replace(LIMITS, crash_retries=0)
    totals = job(folder, limits=limits, timeout_s=15.0, item_timeout_s=1.0)
    assert counts(totals, "align") == (2, 1, 0, 1)
    assert totals.stage("align").reasons == {"TimedOut": 1}


def test_flaky_storage_is_tried_again(job, photos):
    folder = photos(*(f"{i}.png" for i in range(6)))
    totals = job(folder, builder=FLAKY)
    assert counts(totals, "stylize bronze") == (6, 6, 0, 0)


def test_output_that_cannot_be_written_names_the_path(job, photos, tmp_path):
    folder = photos("a.png")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=str(tmp_path / "file" / "out")):
        job(folder, output=tmp_path / "file" / "out")


def test_truncated_file_of_an_earlier_run_is_made_again(job, photos, tmp_path):
    folder = photos("a.png", "b.png")
    job(folder)
    invert = chain(tmp_path / "out")[1]
    path = uris.join(invert.table().root, invert.table().read_commit(0).files["records"].path)
    uris.put_bytes(path, uris.read_bytes(path)[:-30])
    totals = job(folder)
    assert totals.stage("invert").computed == 2
    assert (totals.stage("align").computed, totals.stage("stylize bronze").computed) == (0, 0)


def test_two_jobs_at_once_commit_every_shard_once(job, photos, tmp_path):
    """Without the lease, as two drivers that both believe to hold it: markers alone decide."""
    folder = photos(*(f"slow{i}.png" for i in range(6)))
    found = []
    threads = [threading.Thread(target=lambda: found.append(job(folder))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [counts(totals, "stylize bronze") for totals in found] == [(6, 6, 0, 0)] * 2
    assert sorted(names(chain(tmp_path / "out")[0])) == [f"slow{i}.png" for i in range(6)]


def test_domain_that_is_still_adapted_holds_up_no_other_stage(ray_cluster, photos, tmp_path):
    folder = photos("a.png", "b.png")
    recipes = chain(tmp_path / "out")
    late: Future = Future()
    broken: Future = Future()
    broken.set_exception(ItportraitError("its reference is gone"))
    domains = [
        Domain("bronze", None, lambda: late, stage=recipes[2].stage),
        Domain("zombie", None, lambda: broken, stage=recipes[2].stage),
    ]
    made = engine(recipes, domains)

    def finish():
        while made.totals.stage("invert").ok < 2:
            time.sleep(0.05)
        late.set_result(recipes[2])

    threading.Thread(target=finish, daemon=True).start()
    made.run(shards_of(folder, 1))
    assert counts(made.totals, "stylize bronze") == (2, 2, 0, 0)
    assert counts(made.totals, "stylize zombie") == (0, 0, 0, 0)
    assert str(domains[1].error) == "its reference is gone"


def test_plan_writes_nothing_and_tells_what_is_done(ray_cluster, photos, tmp_path):
    folder = photos("a.png", "b.png")
    recipes = chain(tmp_path / "out")

    def planned():
        stage = recipes[2].stage
        domains = [
            Domain("bronze", recipes[2], stage=stage),
            Domain("new", None, Future, stage=stage),
        ]
        return engine(recipes, domains).plan(shards_of(folder, 1))

    before = planned()
    assert (before.done["align"], before.to_compute["align"]) == (0, 2)
    assert not (tmp_path / "out").exists()
    engine(recipes).run(shards_of(folder, 1))
    after = planned()
    assert (after.done["stylize bronze"], after.to_compute["stylize bronze"]) == (2, 0)
    assert (after.done["stylize new"], after.to_compute["stylize new"]) == (0, 2)
