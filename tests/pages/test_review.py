"""The review page: by reason, the worst first, nothing of others as markup."""

import numpy as np

from itportrait.pages import ReviewCase, ReviewGroup, render_review
from itportrait.records import Status
from tests.helpers.page import Page

PICTURE = np.full((300, 200, 3), 90, np.uint8)


def groups():
    bad = ReviewCase("<i>a</i>.jpg", Status.REJECTED, "12 px", PICTURE)
    near = ReviewCase("b.jpg", Status.OK, "31 px")
    blurred = ReviewCase("c.jpg", Status.OK, "sharpness 9.0", PICTURE)
    return [
        ReviewGroup("align: too_small", 1234, "align.min_face_px is 20", [bad, near]),
        ReviewGroup("align: blurred", 0, "align.min_sharpness is 0", [blurred]),
        ReviewGroup("align: extreme_yaw", 0, "align.max_yaw_deg is 90"),
    ]


def test_groups_show_count_threshold_and_cases_in_order():
    text = render_review(groups(), footer="fingerprint f")
    page = Page(text)
    words = page.words()
    for needed in (
        "1,234 turned away; align.min_face_px is 20",
        "rejected 12 px <i>a</i>.jpg no picture ok 31 px b.jpg",
        "none turned away; align.min_sharpness is 0; the nearest to it",
        "fingerprint f",
    ):
        assert needed in words
    assert "extreme_yaw" not in words
    assert "<i>a" not in text
    pictures = [attrs for tag, attrs in page.tags if tag == "img" and "src" in attrs]
    assert [attrs["alt"] for attrs in pictures] == ["<i>a</i>.jpg", "c.jpg"]


def test_a_run_with_nothing_to_show_says_so():
    assert "Nothing was turned away" in Page(render_review([])).words()


def test_what_was_turned_away_comes_first_and_most_of_it_at_the_top():
    first, near, _ = groups()
    more = ReviewGroup("align: no_face", 5000, "", first.cases)
    words = Page(render_review([near, first, more])).words().partition("Turned away")[2]
    titles = ["align: no_face", "align: too_small", "Passed, but nearest to a limit (1 reason)"]
    places = [words.index(title) for title in [*titles, "align: blurred"]]
    assert places == sorted(places)
    assert "Turned away" not in Page(render_review([near])).words()
