"""docs/results.py on small made tables: what holds, what does not, and that prose is kept."""

import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.conftest import REPOSITORY

DOMAINS, SEEDS, PORTRAITS = ("bronze", "zombie"), (0, 1, 2), range(6)


@pytest.fixture
def results(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "docs"))
    import results

    return results


def about_run(labels, model="mini", portraits="drawn", **config):
    """Return a comparison's run.json."""
    domains = {name: {"prompt": f"a {name}", "truth": f"mini:{name}"} for name in DOMAINS}
    methods = {label: {"method": "itportrait"} for label in labels}
    return {
        "models": {"id": model},
        "portraits": {"digest": portraits},
        "config": {"methods": methods, "domains": domains} | config,
        "cells": [],
    }


def write(folder, **labels):
    """Write the tables of a comparison: label -> mean of each metric of portraits."""
    rng, scores, portraits = random.Random(0), [], []
    for label, metrics in labels.items():
        label = label.replace("__", "-")
        for domain in DOMAINS:
            for seed in SEEDS:
                for person in PORTRAITS:
                    values = {
                        name: None if mean is None else mean + 0.03 * person + rng.gauss(0, 0.004)
                        for name, mean in metrics.items()
                    }
                    about = {"label": label, "domain": domain, "seed": seed}
                    row = {"portrait": f"p{person}.png", "record_id": f"{person:016x}"}
                    portraits.append(about | row | values)
                scores.append(score(label, "kid_ratio", "truth", 0.5 + seed / 10, domain, seed))
        for name, mean in metrics.items():
            scores.append(score(label, name, "truth", mean))
    for name, rows in (("scores", scores), ("portraits", portraits)):
        (folder / name).mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), folder / name / "part-00000.parquet")
    return str(note(folder, about_run([label.replace("__", "-") for label in labels])))


def note(folder, run):
    """Write the run.json of a comparison."""
    (folder / "run.json").write_text(json.dumps(run))
    return folder


def score(label, metric, source, value, domain=None, seed=None):
    ends = (
        {"low": None, "high": None}
        if value is None
        else {"low": value - 0.01, "high": value + 0.01}
    )
    reason = "no truth | no words" if value is None else None
    about = {"label": label, "domain": domain, "seed": seed, "metric": metric, "source": source}
    return about | {"value": value, "count": 36, "reason": reason, "best": False} | ends


def section(text, title):
    return text.split(f"## {title}")[1].split("\n## ")[0]


def test_claims_are_judged_by_the_interval_of_paired_differences(results, tmp_path):
    run = write(
        tmp_path / "compare",
        itportrait={"truth_distance": 0.20, "identity": 0.70, "depth_variance": 0.9},
        itportrait__text={"truth_distance": 0.24, "identity": 0.60, "depth_variance": 0.9},
        itportrait__image={"truth_distance": 0.24, "identity": 0.75, "depth_variance": 0.9},
        itportrait__frontal={"truth_distance": 0.20, "identity": 0.70, "depth_variance": 0.5},
        jojogan={"truth_distance": 0.16, "identity": 0.70, "depth_variance": 0.9},
    )
    page = tmp_path / "results.md"
    assert results.main([run, "--to", str(page)]) == 0
    text = page.read_text()
    coupling = section(text, "Image and text coupled")
    assert "**Holds in part**: as claimed in 3 of 6 figures" in coupling
    assert "certainly not in 1: `itportrait-image` (Identity);" in coupling
    assert "open in 2: `itportrait-text` (KID, share of base), " in coupling
    row = next(line for line in coupling.splitlines() if "`itportrait-text` | Distance" in line)
    assert "6 portraits, 2 domains, 3 seeds | 2 of 2 | holds |" in row
    assert "| -0.04" in row
    assert "| styles, 2 domains, 3 seeds | 0 of 2 | not decided |" in coupling
    views = section(text, "Many views")
    assert "Not run: `itportrait-frontal` (View consistency)." in views
    methods = section(text, "ITportrait, against")
    assert "certainly not in 2: `jojogan` (Distance to truth, Identity less" in methods
    assert "**Not run**: no comparison has measured it." in section(text, "Hard threshold")


def test_the_main_table_marks_the_best_and_says_why_figures_are_missing(results, tmp_path):
    run = write(
        tmp_path / "compare",
        itportrait={"truth_distance": 0.200},
        jojogan={"truth_distance": 0.2005},
        dr3d={"truth_distance": 0.206},
        clipstyler={"truth_distance": None},
    )
    text = results.main_table(results.read_tables([run]))
    assert "### Not from CLIP: truth" in text
    assert "| `itportrait` | **0.200 [0.190, 0.210]** |" in text
    assert "| `jojogan` | ≈ 0.201 [0.191, 0.211] |" in text
    assert "| `dr3d` | 0.206 [0.196, 0.216] |" in text  # it overlaps the best, but loses in pairs
    assert "| `clipstyler` | – [1] |" in text
    assert "\n1. no truth | no words\n" in text


def test_even_steps_of_strength_hold_and_uneven_ones_do_not(results, tmp_path):
    def judged(name, *distances):
        labels = ("itportrait__25", "itportrait__50", "itportrait__75", "itportrait")
        values = ({"truth_distance": value} for value in distances)
        run = write(tmp_path / name, **dict(zip(labels, values, strict=True)))
        (tmp_path / "page.md").unlink(missing_ok=True)
        results.main([run, "--to", str(tmp_path / "page.md")])
        return section((tmp_path / "page.md").read_text(), "Strength moves")

    assert "**Holds**: as claimed in 6 of 6 figures." in judged("even", 0.5, 0.4, 0.3, 0.2)
    uneven = judged("uneven", 0.5, 0.49, 0.48, 0.2)
    assert "certainly not in 3: `itportrait-50` (even step to it)" in uneven
    away = judged("away", 0.2, 0.3, 0.4, 0.5)
    assert "**Does not hold**: as claimed in 0 of 6 figures" in away
    still = judged("still", 0.2, 0.2, 0.2, 0.2)
    assert "as claimed in 0 of 6 figures" in still


def test_prose_is_kept_and_never_lost(results, tmp_path):
    run = write(tmp_path / "compare", itportrait={"truth_distance": 0.2})
    page = tmp_path / "results.md"
    results.main([run, "--to", str(page)])
    empty = "<!-- prose: views -->\n"
    assert empty in page.read_text()
    page.write_text(page.read_text().replace(empty, f"{empty}It is \\1 flat,\nbecause.\n"))
    written = page.read_text()
    results.main([run, "--to", str(page)])
    assert page.read_text() == written
    page.write_text(written.replace("prose: views", "prose: gone"))
    with pytest.raises(SystemExit, match="the prose of gone has no claim any more"):
        results.main([run, "--to", str(page)])
    assert "prose: gone" in page.read_text()


def test_several_comparisons_are_joined_by_the_first_that_has_a_label(results, tmp_path):
    first = write(tmp_path / "a", itportrait={"truth_distance": 0.2})
    second = write(
        tmp_path / "b", itportrait={"truth_distance": 0.9}, jojogan={"truth_distance": 0.1}
    )
    tables = results.read_tables([first, second])
    taken = [(run.output, run.labels) for run in tables.runs]
    assert taken == [(first, ["itportrait"]), (second, ["jojogan"])]
    assert max(tables.measured["itportrait"]["truth_distance"].values()) < 0.4
    rows = results.main_table(tables)  # the best of both, not of each
    assert "| `itportrait` | 0.200 " in rows
    assert "| `jojogan` | **0.100 " in rows
    with pytest.raises(SystemExit, match="holds no scores"):
        results.read_tables([str(tmp_path)])
    (tmp_path / "b/run.json").unlink()
    with pytest.raises(SystemExit, match=r"b holds no run.json; run workflows/compare_methods.py"):
        results.read_tables([first, second])


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("base model", {"model": "other"}),
        ("portraits", {"portraits": "photos"}),
        ("measures", {"measures": {"features": "inception"}}),
        ("domain zombie", {"domains": {"zombie": {"prompt": "a zombie", "truth": "mini:clown"}}}),
    ],
)
def test_comparisons_that_are_not_comparable_are_refused(results, tmp_path, what, changes):
    first = write(tmp_path / "a", itportrait={"truth_distance": 0.2})
    second = write(tmp_path / "b", jojogan={"truth_distance": 0.2})
    note(tmp_path / "b", about_run(["jojogan"], **changes))
    with pytest.raises(SystemExit, match=f"differ in their {what} and cannot be joined"):
        results.read_tables([first, second])


def test_the_head_tells_failed_cells_and_what_measures_the_figures(results, tmp_path):
    run = write(tmp_path / "a", itportrait={"truth_distance": 0.2})
    cell = {"label": "itportrait", "domain": "bronze", "seed": 1, "reason": "out of\nmemory"}
    about = about_run(["itportrait"]) | {"cells": [cell | {"status": "failed"}]}
    note(tmp_path / "a", about)
    results.main([run, "--to", str(tmp_path / "results.md")])
    head = (tmp_path / "results.md").read_text().split("<!-- prose")[0]
    assert "  - 1 cell without scores:\n    - `itportrait`, bronze, seed 1: out of memory" in head
    assert "\n- The perceptual network measures “Distance to truth”, " in head


def test_the_experiments_have_every_variant_that_the_claims_name(results):
    experiments = yaml.safe_load((REPOSITORY / "configs/experiments.yaml").read_text())
    named = {
        label
        for claim in results.read_claims()
        for label in (claim.variant, *claim.against, *claim.evenly)
        if label
    }
    assert {"itportrait", "itportrait-75", "itportrait-no-pair", "dr3d"} <= named
    assert named <= set(experiments["methods"])
