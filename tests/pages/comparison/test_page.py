"""The page is parsed: what it says, what it marks, and that hostile names stay text."""

import base64
import io
import json
import re
from dataclasses import replace

import pytest
from PIL import Image

from itportrait.errors import InvalidArgumentError
from itportrait.pages.comparison import (
    ComparedFailure,
    ComparedPicture,
    ComparedScore,
    Comparison,
    Views,
    render_comparison,
)
from tests.helpers.compared import HOSTILE, METHODS, NO_REFERENCE, PORTRAITS, comparison, scores
from tests.helpers.page import Page


@pytest.fixture(scope="module")
def text():
    return render_comparison(comparison(), title=HOSTILE, subtitle=HOSTILE, footer=HOSTILE)


def first_table(text):
    """Return the rows of the first table of scores: method -> its cells, by heading."""
    table = re.search(r'<div class="card table scores".*?</table>', text, re.DOTALL)[0]
    head = table[table.index("</tr><tr>") : table.index("</thead>")]
    names = [re.sub("<.*?>", "", name) for name in re.findall(r"<th .*?>(.*?)</th>", head)]
    rows = re.findall(r'<tr><th scope="row"><div>(.*?)</div></th>(.*?)</tr>', table)
    return {
        re.sub("<wbr>", "", label): dict(zip(names, re.findall(r"<td.*?</td>", cells), strict=True))
        for label, cells in rows
    }


def test_hostile_names_stay_text_and_nothing_is_loaded_from_elsewhere(text):
    page = Page(text)
    assert HOSTILE in page.words()
    assert len([tag for tag, _ in page.tags if tag == "script"]) == 3 + 3
    assert all(
        not name.startswith("on") for _, attrs in page.tags for name in attrs if name != "open"
    )
    assert not [attrs for tag, attrs in page.tags if "href" in attrs or tag in ("link", "iframe")]
    assert not [attrs for _, attrs in page.tags if "src" in attrs]
    named = [attrs for tag, attrs in page.tags if tag == "img" and "data-strip" in attrs]
    assert all(attrs["alt"] for attrs in named)


def test_best_is_bold_and_those_that_are_not_certainly_worse_are_marked(text):
    rows = first_table(text)
    ours = rows["ours"]["Distance to truth ↓"]
    assert "<b>0.200</b>" in ours
    assert "<small>0.175–0.225</small>" in ours
    assert "≈" in rows["theirs"]["Distance to truth ↓"]
    assert "≈" not in rows["stylegan_nada+jojogan"]["Distance to truth ↓"]
    assert "<b>0.600</b>" in rows["stylegan_nada+jojogan"]["CLIP direction ↑"]
    assert "<b>" not in "".join(row["Depth variance, 1 as base"] for row in rows.values())
    assert len(re.findall("<b>", "".join(rows["theirs"].values()))) == 0


def test_a_missing_figure_says_why_on_its_cell_and_in_a_footnote(text):
    cell = first_table(text)["ours"]["CLIP to reference ↑"]
    assert Page(cell).tags[0][1]["title"] == NO_REFERENCE
    assert "<sup>[1]</sup>" in cell
    notes = re.search(r'<ol class="footnotes">.*?</ol>', text, re.DOTALL)[0]
    where = "CLIP to reference: ours, theirs, stylegan_nada+jojogan and 1 more"
    assert f"{NO_REFERENCE} ({where})" in Page(notes).words()


def test_columns_say_which_figures_the_guide_gave(text):
    words = Page(text).words()
    for heading in ("From CLIP, which guides most methods", "Not from CLIP: truth"):
        assert heading in words
    assert "a method can score well there without looking right" in words
    groups = re.findall(r'colspan="(\d)" class="group">(.*?)</th>', text)[:4]
    assert groups == [
        ("2", "From CLIP, which guides most methods"),
        ("1", "Not from CLIP: truth"),
        ("1", "Not from CLIP: identity"),
        ("1", "Not from CLIP: depth"),
    ]


def test_scatter_has_a_point_with_whiskers_for_each_method_and_faint_ones_for_domains(text):
    drawing = re.search(r'<svg class="scatter wide".*?</svg>', text, re.DOTALL)[0]
    assert drawing.count('class="dot"') == len(METHODS)
    assert drawing.count('class="whisker"') == 2 * len(METHODS)
    assert drawing.count('class="faint"') == 2 * len(METHODS)
    heights = [float(y) for y in re.findall(r'class="dot" cx=".*?" cy="(.*?)"', drawing)]
    assert min(heights) == heights[METHODS.index("ours")]  # less distance is higher up
    told = "ours: identity 0.600 (0.575 to 0.625), Distance to truth 0.200 (0.175 to 0.225)"
    assert f"<title>{told}</title>" in drawing


def test_every_portrait_has_a_picture_or_a_reason_in_each_domain(text):
    page = Page(text)
    cells = [a for tag, a in page.tags if a.get("role") == "cell"]
    assert len(cells) == len(PORTRAITS) * (3 + len(METHODS)) + len(PORTRAITS) * (2 + len(METHODS))
    missing = [a["title"] for a in cells if "missing" in a["class"]]
    assert missing == ["values not finite"] + [f"no mode fits {HOSTILE}"] * len(PORTRAITS)
    strips = {
        name: json.loads(data)
        for name, data in re.findall(
            r'<script type="application/json" id="strips-(\w+)">(.*?)</script>', text
        )
    }
    named = [a["data-strip"] for tag, a in page.tags if "data-strip" in a]
    for name in named:
        script, position = name.split(":")
        picture = Image.open(io.BytesIO(base64.b64decode(strips[script][int(position)])))
        assert picture.height == 24
    assert sum(map(len, strips.values())) == len(set(named))


def test_costs_failures_and_settings_are_told(text):
    words = Page(text).words()
    for needed in ("Seconds to adapt ↓", "2.50 MB", "the style itself", "values not finite"):
        assert needed in words
    assert "<details" in text
    assert f"base: mini {HOSTILE}" in words


def test_a_value_that_is_no_number_is_missing_and_never_the_best():
    given = [*scores(), ComparedScore("ours", "kid", "features", float("nan"))]
    rows = first_table(render_comparison(comparison(scores=given)))
    assert "the value is nan" in rows["ours"]["KID ↓"]
    assert 'title="not computed"' in rows["theirs"]["KID ↓"]


def test_a_mean_of_fewer_measurements_is_never_the_best():
    given = [
        ComparedScore("ours", "identity", "identity", 0.9, 0.8, 1.0, 8),
        ComparedScore("theirs", "identity", "identity", 0.7, 0.6, 0.8, 48),
    ]
    rows = first_table(render_comparison(comparison(scores=given)))
    assert "<b>0.700</b>" in rows["theirs"]["Identity ↑"]
    assert "<b>" not in rows["ours"]["Identity ↑"]
    assert Page(rows["ours"]["Identity ↑"]).tags[0][1]["class"].split() == ["fewer", "first"]


def test_a_best_value_that_no_interval_tells_from_the_others_says_so():
    given = [
        ComparedScore("ours", "identity", "identity", 0.9, count=1, best=True),
        ComparedScore("theirs", "identity", "identity", 0.7, count=1),
        ComparedScore("ours", "kid", "truth", 0.2, count=3, best=True),
        ComparedScore("theirs", "kid", "truth", 0.3, count=3, best=False),
        ComparedScore("stylegan_nada+jojogan", "kid", "truth", 0.1, count=1),
    ]
    ours = first_table(render_comparison(comparison(scores=given)))["ours"]
    assert '<b>0.900</b><sup title="no interval tells it from the others">?' in ours["Identity ↑"]
    assert "?" not in ours["KID ↓"]


def test_portraits_that_reached_no_method_are_told_and_all_are_counted():
    lost = [("a.png", "no face found"), ("a.png", "no face found"), ("b.png", "not a picture")]
    words = Page(render_comparison(comparison(lost=lost, failures=[], portrait_count=40))).words()
    assert "40 portraits" in words
    assert "3 failures" in words
    assert "all methods no face found 2 all domains a.png" in words
    assert "3 of 40 portraits are shown." in words


def test_many_scopes_are_a_list_and_few_are_buttons(text):
    assert text.count('type="radio" name="scores"') == 3
    given = [s for seed in (None, *range(9)) for s in scores("zombie", seed)]
    many = render_comparison(comparison(scores=given))
    assert 'type="radio" name="scores"' not in many
    assert '<option value="9">zombie, seed 8</option>' in many


def test_an_empty_comparison_still_gives_a_page():
    assert "Nothing failed." in Page(render_comparison(Comparison([], [], []))).words()


def test_where_all_failed_the_cells_say_why():
    failures = [ComparedFailure(label, "zombie", f"{label} broke", 3) for label in METHODS]
    page = Page(render_comparison(comparison(pictures=[], failures=failures)))
    missing = [a["title"] for _, a in page.tags if "missing" in a.get("class", "")]
    assert missing[: len(METHODS)] == [f"{label} broke" for label in METHODS]


def test_views_that_are_no_webp_are_refused():
    picture = ComparedPicture("ours", "zombie", 0, "bob.png", Views(b"\x89PNG", 1))
    with pytest.raises(InvalidArgumentError, match=r"views\.webp must be bytes of a WebP"):
        render_comparison(comparison(pictures=[picture]))


def test_what_measures_the_figures_stands_above_them():
    told = "CLIP measures <it>; losses that can look through it: ours."
    page = render_comparison(replace(comparison(), judges=[told]))
    assert "CLIP measures &lt;it&gt;; losses that can look through it: ours." in page
