"""Every kind of page in a real browser, on a phone and on a desk."""

import pytest

from itportrait.pages import render_gallery, render_report, render_review
from tests.helpers.browser import SMALL_TEXTS, Browser, find_chromium
from tests.helpers.shown import gallery_domains, gallery_portraits, review_groups, run_of

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed")
LONG = "a_name_without_any_space_that_a_camera_or_an_export_gave_to_this_file_0001_final.jpg"
"""Of a file: pages must break it, since it is wider than a phone."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    texts = {
        "gallery": render_gallery(
            gallery_portraits(LONG), gallery_domains(), views=["own view", "-25°", "+0°", "+25°"]
        ),
        "report": render_report(run_of(LONG)),
        "review": render_review(review_groups(LONG)),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text)
    return folder


@pytest.mark.parametrize("kind", ["gallery", "report", "review"])
@pytest.mark.parametrize("width", [360, 390, 1400])
def test_nothing_sticks_out_and_nothing_complains(browser, pages, kind, width):
    browser.open(pages / f"{kind}.html", width)
    browser.run("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert browser.run("document.documentElement.scrollWidth") == width
    assert browser.run(SMALL_TEXTS) == []
    assert browser.run("[...document.images].filter(i => !i.alt && i.closest('main')).length") == 0
    assert browser.complaints == []


@pytest.mark.parametrize("width", [360, 390])
def test_first_columns_of_the_report_are_read_as_words(browser, pages, width):
    browser.open(pages / "report.html", width)
    widths = browser.run(
        "[...document.querySelectorAll('tbody tr > :first-child')]"
        ".map(cell => cell.getBoundingClientRect().width)"
    )
    assert min(widths) >= 90
    kept = browser.run(
        "[...document.querySelectorAll('.table')].map(box => { box.scrollLeft = 1e4;"
        "return box.querySelector('tbody td').getBoundingClientRect().left"
        " - box.getBoundingClientRect().left })"
    )
    assert all(0 <= left < 12 for left in kept)


def test_every_view_of_the_gallery_is_on_a_phone_s_screen(browser, pages):
    browser.open(pages / "gallery.html", 360)
    edges = browser.run(
        "[...document.querySelectorAll('.strip img')].map(i => i.getBoundingClientRect().right)"
    )
    assert len(edges) >= 4
    assert max(edges) <= 360


def test_captions_of_the_review_stand_below_their_pictures(browser, pages):
    for width in (360, 1400):
        browser.open(pages / "review.html", width)
        covered = browser.run(
            "[...document.querySelectorAll('figure')].filter(f => f.querySelector('img') &&"
            " f.querySelector('img').getBoundingClientRect().bottom >"
            " f.querySelector('figcaption').getBoundingClientRect().top).length"
        )
        assert covered == 0


def test_portraits_turn_under_the_mouse_a_finger_and_the_keys(browser, pages):
    browser.open(pages / "gallery.html", 390)
    shown = "document.querySelector('.reel').style.getPropertyValue('--view')"
    assert browser.run(shown) == "6"
    browser.run("document.querySelector('.reel input').focus()")
    browser.press("ArrowRight", 39)
    assert browser.becomes(shown, "7")
    place = (
        "(box => { const b = box.getBoundingClientRect(); return [b.left, b.top, b.width] })"
        "(document.querySelector('.reel img'))"
    )
    browser.run("document.querySelector('.reel').scrollIntoView({ block: 'center' })")
    left, top, width = browser.run(place)
    browser.mouse("mousePressed", left + width / 2, top + 20, "left")
    browser.mouse("mouseMoved", left + 2, top + 20, "left")
    browser.mouse("mouseReleased", left + 2, top + 20, "left")
    assert browser.becomes(shown, "1")
    browser.touch("touchStart", left + 4, top + 20)
    browser.touch("touchMove", left + width / 2, top + 20)
    browser.touch("touchMove", left + width - 4, top + 20)
    browser.touch("touchEnd")
    assert browser.becomes("Number(" + shown + ") > 6", True)
    assert not browser.run("document.getElementById('zoom').open")
    assert browser.complaints == []
