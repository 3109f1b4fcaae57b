"""Counts: what the tables and the final check are made of."""

import io

import pytest

from itportrait.engine.progress import Progress
from itportrait.engine.totals import Totals
from itportrait.errors import ItportraitError
from itportrait.io.commits import Commit

FOLLOWS = {"align": "", "invert": "align"}


def commit(stage="align", shard=0, **values):
    known = {"fingerprint": "f", "recipe": "r", "outputs": f"o{shard}"}
    return Commit(stage=stage, shard=shard, **known, **values)


def totals_of(*commits):
    totals = Totals()
    for item in commits:
        totals.stage(item.stage, after=FOLLOWS[item.stage]).add(item, kept=False)
    return totals


def test_sums_means_and_reasons():
    totals = totals_of(
        commit(
            inputs=3, ok=2, rejected=1, reasons={"no_face": 1}, sums={"face_confidence": [1.8, 2]}
        ),
        commit(shard=1, inputs=2, ok=1, failed=1, sums={"face_confidence": [0.9, 1]}, seconds=4.0),
    )
    stage = totals.stage("align")
    assert (stage.inputs, stage.ok, stage.rejected, stage.failed) == (5, 3, 1, 1)
    assert stage.mean("face_confidence") == pytest.approx(0.9)
    assert stage.mean("none") is None
    assert stage.to_json()["seconds_per_1000"] == 800.0


def test_digest_does_not_depend_on_the_order():
    first, second = commit(shard=0, inputs=1, ok=1), commit(shard=1, inputs=1, ok=1)
    assert (
        totals_of(first, second).stage("align").digest
        == totals_of(second, first).stage("align").digest
        != totals_of(first, first).stage("align").digest
    )


def test_lost_records_are_an_error_that_says_where():
    totals = totals_of(
        commit(inputs=3, ok=2, failed=1, rows_ok=2), commit("invert", inputs=1, ok=1, rows_ok=1)
    )
    totals.listed = 3
    with pytest.raises(ItportraitError, match=r"invert lost records: .* inputs 1, expected 2"):
        totals.check()
    totals.check(unfinished=frozenset({"invert"}))
    totals.listed = 4
    with pytest.raises(ItportraitError, match="align lost records"):
        totals.check()


def test_progress_writes_plain_lines_where_there_is_no_terminal():
    stream = io.StringIO()
    totals = totals_of(commit(inputs=3, ok=1, rejected=1, failed=1, rows_ok=1))
    totals.listed = 3
    with Progress(totals, stream=stream) as progress:
        progress.listing = False
        progress.event("align, shard 0: its process was lost; again")
    text = stream.getvalue()
    assert "its process was lost; again" in text
    assert "align 3/3 (1 rejected, 1 failed)" in text
    assert "\x1b" not in text


def test_cost_is_time_by_share_and_per_thousand_inputs():
    stage = totals_of(commit(inputs=8, ok=8, seconds=4.0)).stage("align")
    assert stage.cost(cpus=2, gpus=0.25) == {
        "cpu_seconds": 8.0,
        "gpu_seconds": 1.0,
        "cpu_seconds_per_1000": 1000.0,
        "gpu_seconds_per_1000": 125.0,
    }
    assert totals_of().stage("align").cost(1, 1)["cpu_seconds_per_1000"] == 0


def test_shards_are_counted_by_what_the_generator_computed_with():
    totals = totals_of(
        commit("align", inputs=1, ok=1),
        commit("invert", inputs=1, ok=1, precision="fp32"),
        commit("invert", shard=1, inputs=1, ok=1, precision="bf16"),
        commit("invert", shard=2, inputs=1, ok=1, precision="bf16"),
        commit("invert", shard=3, inputs=1, ok=1),  # of a release that did not say
    )
    assert totals.stage("invert").to_json()["precision"] == {"bf16": 2, "fp32": 1}
    assert totals.stage("align").to_json()["precision"] == {}
