"""The report shows a run's figures as they stand in run.json, and no markup of others."""

import pytest

from itportrait.errors import InvalidArgumentError
from itportrait.pages import render_report
from itportrait.pages.page import table
from tests.helpers.page import Page


def stage(**values):
    known = {"inputs": 11, "ok": 9, "rejected": 1, "failed": 1, "reasons": {}, "seconds": 5.5}
    known |= {"computed": 11, "shards": 3, "shards_kept": 0, "means": {}}
    known |= {"cpu_seconds": 11.0, "gpu_seconds": 0.0}
    known |= {"cpu_seconds_per_1000": 1000.0, "gpu_seconds_per_1000": 0.0}
    return {**known, **values}


def run(**values):
    known = {
        "status": "finished",
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 61.2,
        "itportrait": "0.1.0",
        "models": {"id": "mini-1"},
        "inputs": 11,
        "counts": {"ok": 9, "rejected": 1, "failed": 1},
        "config": {"input": "s3://bucket/<photos>", "output": "out"},
        "stages": {
            "align": stage(reasons={"no_face": 1, "decode": 1}),
            "stylize bronze": stage(means={"identity": 0.6543}, gpu_seconds_per_1000=250.0),
        },
        "cost": {
            "cpu_seconds": 22.0,
            "gpu_seconds": 2.75,
            "cpu_seconds_per_1000": 2000.0,
            "gpu_seconds_per_1000": 250.0,
        },
        "domains": {"bronze": {"version": "v1", "error": None}},
    }
    return {**known, **values}


def test_figures_of_a_run_are_shown():
    words = Page(render_report(run())).words()
    for needed in (
        "11 inputs 9 ok 1 rejected 1 failed",
        "finished; begun 2026-01-02T03:04:05+00:00, 61 s; s3://bucket/<photos> to out",
        "align 11 9 1 1 11 3 0",
        "align decode 1 9.1% align no_face 1 9.1%",
        "align 5.50 11.00 0.00 1,000.00 0.00",
        "stylize bronze 5.50 11.00 0.00 1,000.00 250.00",
        "all stages 11.00 22.00 2.75 2,000.00 250.00",
        "bronze v1 - - 0.654 - -",
        "itportrait 0.1.0; models mini-1",
    ):
        assert needed in words


def test_what_the_listing_skipped_is_named():
    skipped = {"sidecar": {"count": 40, "names": ["/p/a.json", "/p/<b>.txt"]}}
    words = Page(render_report(run(skipped=skipped))).words()
    assert "sidecar 40 /p/a.json, /p/<b>.txt" in words
    assert "Skipped by the listing" not in Page(render_report(run())).words()


def test_reasons_come_commonest_first_and_bounded():
    reasons = {"blurred": 2, "no_face": 7, "too_small": 5}
    text = render_report(run(stages={"align": stage(reasons=reasons)}), reasons=2)
    words = Page(text).words()
    assert words.index("no_face 7") < words.index("too_small 5")
    assert "blurred" not in words


def test_foreign_text_is_escaped():
    evil = "<script>alert('x')</script>"
    domains = {evil: {"version": None, "error": f"cannot: {evil}"}}
    stages = {"align": stage(reasons={evil: 3})}
    text = render_report(run(domains=domains, stages=stages, status=evil))
    assert evil not in text
    assert Page(text).words().count(evil) == 4


def test_failed_deliverables_are_told():
    made = {"portraits": 9, "files": 40, "failed": 2, "reasons": {"EmptyMeshError": 2}}
    words = Page(render_report(run(deliverables={"bronze": made}))).words()
    assert "bronze 9 40 2 EmptyMeshError 2" in words


def test_deliverables_have_their_share_of_the_cost():
    made = {"portraits": 9, "files": 40, "failed": 0, "reasons": {}, "seconds": 12.5}
    made |= {"cpu_seconds": 25.0, "gpu_seconds": 0.0}
    text = render_report(run(deliverables={"bronze": made}))
    assert "deliver bronze 12.50 25.00" in Page(text).words()


def test_an_older_or_foreign_file_is_refused_with_a_remedy():
    with pytest.raises(InvalidArgumentError, match=r"nothing under stages, counts.*run the job"):
        render_report({"inputs": 3})
    assert "all stages" not in render_report(run(stages={}))


def test_table_refuses_a_row_that_does_not_fit():
    with pytest.raises(InvalidArgumentError, match=r"rows\[1\] must be 2 cells, got 1"):
        table(("a", "b"), [["x", 1], ["y"]])


def test_links_lead_to_the_pages_that_the_run_asked_for():
    def links(config, uri):
        text = render_report(run(config=config, tracking={"uri": uri}))
        return {attrs["href"] for tag, attrs in Page(text).tags if tag == "a"}

    both = {"publish": {"portraits": 3, "review": 2}}
    found = links(both, "http://tracking:5000")
    assert found == {"gallery/index.html", "gallery/review.html", "http://tracking:5000"}
    assert links({"publish": {"portraits": 0, "review": 2}}, "sqlite:///x.db") == {
        "gallery/review.html"
    }
    assert links({}, "javascript:alert(1)") == set()
