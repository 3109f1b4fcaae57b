"""A comparison, all of it but Ray: real adaptations, portraits, scores and tables (tiny)."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from itportrait.comparison.measures import Judge
from itportrait.comparison.report import final_table
from itportrait.comparison.tables import PART
from itportrait.evaluate.portraits import NO_REFERENCES
from itportrait.evaluate.score import NO_TRUTH
from itportrait.jobs.bank import scores
from itportrait.records import Status
from tests.helpers.here import HereBackend
from tests.helpers.page import Page
from tests.helpers.small_comparison import compare_here, small_comparison

pytestmark = pytest.mark.slow
KEPT_ALONE = "\n0 cells computed, 3 kept from an earlier run, 1 without scores\n"
"""What is said where one cell of four cannot be made, and the others stand."""


@pytest.fixture(scope="module")
def place(base, tmp_path_factory):
    """Return the output of a finished comparison, its configuration and its report."""
    output = tmp_path_factory.mktemp("compared") / "out"
    data = small_comparison(base, output)
    return output, data, compare_here(data)


def rows(output, name):
    return pq.read_table(output / name / PART).to_pylist()


def stamps(output: Path) -> dict[str, int]:
    return {
        str(path.relative_to(output)): path.stat().st_mtime_ns
        for folder in ("cells", "styles")
        for path in (output / folder).rglob("*")
        if path.is_file()
    }


def test_every_cell_and_portrait_has_its_rows(place):
    output, _, report = place
    assert [str(result.cell) for result in report.failed] == ["words, bronze, seed 0"]
    portraits = rows(output, "portraits")
    assert len(portraits) == 3 * 2
    assert {row["status"] for row in portraits} == {Status.OK}
    zombies = [row for row in portraits if row["domain"] == "zombie"]
    bronze = [row for row in portraits if row["domain"] == "bronze"]
    assert all(row["truth_distance"] > 0 and row["clip_image"] is None for row in zombies)
    assert all(row["clip_image"] and row["clip_direction"] is None for row in bronze)
    assert {row["mode"] for row in bronze} == {"image"}


def test_scores_have_intervals_sources_and_reasons(place):
    output, _, _ = place
    found = {
        (row["label"], row["domain"], row["seed"], row["metric"]): row
        for row in rows(output, "scores")
    }
    one = found["itportrait", "zombie", None, "identity"]
    assert one["low"] <= one["value"] <= one["high"]
    assert (one["count"], one["source"]) == (2, "identity")
    same = found["words", "zombie", None, "identity"]
    assert (same["value"], same["difference"], same["best"]) == (one["value"], 0.0, True)
    assert found["itportrait", "bronze", 0, "kid"]["reason"] == NO_TRUTH
    assert found["itportrait", "zombie", 0, "kid"]["reason"] is None
    assert found["itportrait", "zombie", 0, "clip_image"]["reason"] == NO_REFERENCES
    failed = found["words", "bronze", None, "identity"]
    assert failed["value"] is None
    assert "the domain has no prompt" in failed["reason"]
    assert found["itportrait", "zombie", 0, "style_bytes"]["value"] > 0
    table = final_table(list(found.values()))
    names, *columns = [list(column.cells) for column in table.columns]
    assert [column.header for column in table.columns][1:] == ["itportrait", "words"]
    assert "truth_distance" in names
    # Of each line, at least one is the best.
    assert sum("*" in cell for cells in columns for cell in cells) >= 8


def counted(monkeypatch, owner, name):
    """Return a list that grows with each call of a function."""
    calls, function = [], getattr(owner, name)

    def call(*args):
        calls.append(args)
        return function(*args)

    monkeypatch.setattr(owner, name, call)
    return calls


def test_a_second_run_computes_nothing_and_a_change_only_what_it_touches(place, monkeypatch):
    output, data, report = place
    before, about = stamps(output), (output / "run.json").read_bytes()
    backend = HereBackend()
    again = compare_here(data, backend)
    assert again.digest == report.digest == json.loads(about)["digest"]
    assert (backend.trained, backend.counted, stamps(output)) == ([], [], before)
    assert not any(result.computed for result in again.results)
    assert KEPT_ALONE in again.summary()

    more = compare_here({**data, "methods": {**data["methods"], "text": data["methods"]["words"]}})
    assert {r.cell.label for r in more.results if r.computed} == {"text"}
    assert {name: stamp for name, stamp in stamps(output).items() if name in before} == before

    changed = {**data, "measures": {**data["measures"], "side_deg": 20}}
    bases, truths = (
        counted(monkeypatch, Judge, "base"),
        counted(monkeypatch, scores, "truth_images"),
    )
    rescored = compare_here(changed)
    assert sum(result.computed for result in rescored.results) == 3
    assert (len(bases), len(truths)) == (2, 1)  # shards, and domains with a truth; not cells
    styles = {name: stamp for name, stamp in before.items() if name.startswith("styles")}
    assert {n: s for n, s in stamps(output).items() if n.startswith("styles")} == styles
    parts = list((output / "cells/itportrait/zombie/seed-0").glob("part-*"))
    assert len(parts) == 2  # those of the former measures are gone
    compare_here(data)


def test_another_division_of_the_same_portraits_computes_nothing(place):
    output, data, _ = place
    before, divided = fingerprints(compare_here(data)), {**data, "portraits_per_task": 2}
    again = compare_here(divided)
    assert fingerprints(again) == before
    assert not any(result.computed for result in again.results)
    assert KEPT_ALONE in again.summary()
    (output / "cells/itportrait/zombie/seed-0/cell.json").unlink()
    anew = compare_here(divided)
    assert [str(each.cell) for each in anew.results if each.computed] == [
        "itportrait, zombie, seed 0"
    ]
    portraits = [row["record_id"] for row in rows(output, "portraits")]
    assert sorted(portraits) == sorted([*dict.fromkeys(portraits)] * 3)
    assert len(portraits) == 6
    (output / "cells/itportrait/zombie/seed-0/cell.json").unlink()
    compare_here(data)


def test_what_was_lost_or_damaged_is_made_again(place):
    output, data, report = place
    (style,) = (output / "styles").glob("bronze-*")
    (style / "adapter.safetensors").write_bytes(b"half")
    part = next((output / "cells/itportrait/zombie/seed-0").glob("part-00001-*"))
    part.unlink()
    again = compare_here(data)
    made = {str(result.cell) for result in again.results if result.computed}
    assert made == {"itportrait, zombie, seed 0", "itportrait, bronze, seed 0"}
    assert part.exists()
    former = fingerprints(report)
    changed = {cell for cell, digest in fingerprints(again).items() if digest != former[cell]}
    assert changed == {"itportrait, bronze, seed 0"}  # its style is another file now


def test_a_style_that_fits_no_portrait_fails_its_cell_and_is_tried_again(place, monkeypatch):
    output, data, _ = place
    before = json.loads((output / "run.json").read_bytes())["digest"]
    part = next((output / "cells/itportrait/zombie/seed-0").glob("part-00000-*"))
    (output / "cells/itportrait/zombie/seed-0/cell.json").unlink()
    for each in part.parent.glob("part-*"):
        each.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(Judge, "_measured", lambda *_: (_ for _ in ()).throw(ValueError("no face")))
        failed = compare_here(data)
    reasons = {str(result.cell): result.reason for result in failed.failed}
    assert reasons["itportrait, zombie, seed 0"] == (
        "no portrait could be stylized: ValueError: no face"
    )
    assert "\n0 cells computed, 2 kept from an earlier run, 2 without scores\n" in failed.summary()
    assert not list(part.parent.iterdir())
    again = compare_here(data)
    assert [str(result.cell) for result in again.failed] == ["words, bronze, seed 0"]
    assert part.exists()
    assert again.digest == before


def test_single_portraits_that_fail_are_counted_at_the_end(place, monkeypatch):
    output, data, _ = place
    folder = output / "cells/itportrait/zombie/seed-0"
    (folder / "cell.json").unlink()
    next(folder.glob("part-00001-*")).unlink()
    (second,) = read_names(output, "part-00001")
    refuse(monkeypatch, second)
    report = compare_here({**data, "page_portraits": 2})
    assert [str(result.cell) for result in report.failed] == ["words, bronze, seed 0"]
    assert "1 of 6 stylized portraits failed" in report.summary()
    assert "\n1 cells computed, 2 kept from an earlier run, 1 without scores\n" in report.summary()


def fingerprints(report):
    """Return the fingerprint of each cell that was scored."""
    return {str(each.cell): each.scores.fingerprint for each in report.results if each.scores}


def test_the_page_tells_failures_of_all_seeds_and_how_many_portraits_it_leaves_out(
    place, monkeypatch
):
    output, data, _ = place
    (second,) = read_names(output, "part-00001")
    refuse(monkeypatch, second)
    report = compare_here(
        {
            **data,
            "methods": {"words": data["methods"]["words"]},
            "domains": {"zombie": data["domains"]["zombie"]},
            "seeds": [0, 1],
            "page_portraits": 1,
        }
    )
    assert [result.computed for result in report.results] == [False, True]
    words = Page((output / "index.html").read_text()).words()
    assert "1 of 2 portraits are shown. All pictures are of seed 0." in words
    assert "2 portraits" in words
    assert "1 failure" in words
    assert "ValueError: no face" in words


def refuse(monkeypatch, record_id):
    """Let a portrait fail in every cell that is measured from now on."""
    measured = Judge._measured

    def picky(judge, style, portraits, *rest):
        if portraits[0].record_id == record_id:
            raise ValueError("no face")
        return measured(judge, style, portraits, *rest)

    monkeypatch.setattr(Judge, "_measured", picky)


def read_names(output, part):
    """Return the record ids of a part of the cell that no test has touched."""
    (file,) = (output / "cells/words/zombie/seed-0").glob(f"{part}-*")
    return [row["record_id"] for row in pq.read_table(file).to_pylist()]
