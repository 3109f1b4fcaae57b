"""The page in a real browser, wide and narrow: nothing sticks out, and portraits turn."""

import pytest

from itportrait.pages.comparison import render_comparison
from tests.helpers.browser import SMALL_TEXTS, Browser, find_chromium
from tests.helpers.compared import comparison

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed"),
]
CELL = ".line:nth-child(2) .cell[data-views='3']"
OVERLAPS = """(() => {
  const labels = [...document.querySelectorAll('.scatter .label')];
  const boxes = labels.map(label => label.getBoundingClientRect()).filter(box => box.width);
  const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top + 2
    || b.bottom <= a.top + 2;
  const covered = boxes.map((a, i) => boxes.slice(i + 1).filter(b => !apart(a, b)).length);
  return [boxes.length, covered.reduce((sum, count) => sum + count, 0)];
})()"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(render_comparison(comparison()))
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_sticks_out_and_nothing_complains(browser, page, width, dark):
    browser.open(page, width, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") == width
    browser.run("document.querySelectorAll('details').forEach(each => each.open = true)")
    browser.run("document.querySelectorAll('[data-choice=pictures]')[1].click()")
    assert browser.run("document.documentElement.scrollWidth") == width
    assert browser.run(SMALL_TEXTS) == []
    assert browser.run(OVERLAPS) == [4, 0]
    assert browser.run("document.querySelectorAll('img:not([alt])').length") == 0
    assert browser.complaints == []
    sticky = (
        "(box => { box.scrollLeft = 1e4; const first = box.querySelector('tbody th');"
        "return first.getBoundingClientRect().left - box.getBoundingClientRect().left })"
        "(document.querySelector('.scores'))"
    )
    assert 0 <= browser.run(sticky) < 3
    background = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(19, 20, 22)") == dark


def test_only_the_pictures_of_the_chosen_domain_are_decoded(browser, page):
    browser.open(page, 1400)
    loaded = (
        "[...document.querySelectorAll('[data-panel=pictures]')].map(panel => "
        "panel.querySelectorAll('img[src]').length)"
    )
    first, second = browser.run(loaded)
    assert first > 0
    assert second == 0
    browser.run("document.querySelectorAll('[data-choice=pictures]')[1].click()")
    first, second = browser.run(loaded)
    assert first == 0
    assert second > 0
    broken = (
        "Promise.all([...document.querySelectorAll('[data-panel=pictures]:not([hidden]) img')]"
        ".map(image => image.decode().then(() => image.naturalHeight)))"
    )
    assert set(browser.run(broken)) == {24}


def turns_to(browser, view):
    """Tell whether the cell soon shows a view, by its picture and by its text."""
    image = f'document.querySelector("{CELL}").firstElementChild'
    state = f"[getComputedStyle({image}).getPropertyValue('--view'), {image}.alt.split(',').length]"
    return browser.becomes(f"({state}).join()", f"{view},{3 if view else 2}")


def center(browser):
    box = f'document.querySelector("{CELL}").getBoundingClientRect()'
    browser.run(f"document.querySelector(\"{CELL}\").scrollIntoView({{block: 'center'}})")
    return browser.run(f"(b => [b.left, b.top, b.width])({box})")


def test_keys_turn_a_focused_portrait_and_reach_the_next(browser, page):
    browser.open(page, 1400)
    browser.run(f'document.querySelector("{CELL}").focus()')
    assert turns_to(browser, 0)
    browser.press("ArrowRight", 39)
    assert turns_to(browser, 1)
    browser.press("ArrowLeft", 37)
    browser.press("ArrowLeft", 37)
    assert turns_to(browser, 2)
    browser.press("ArrowDown", 40)
    below = "document.activeElement.parentElement.firstElementChild.textContent"
    assert browser.run(below) == "bob.png"
    browser.press("Enter", 13)
    assert browser.run("document.querySelector('dialog').open") is True


def test_a_pointer_turns_what_it_moves_over_and_a_drag_does_not_enlarge(browser, page):
    browser.open(page, 1400)
    left, top, width = center(browser)
    browser.mouse("mouseMoved", left + 0.25 * width, top + 20)
    assert turns_to(browser, 1)
    browser.mouse("mouseMoved", left + 0.75 * width, top + 20)
    assert turns_to(browser, 2)
    browser.mouse("mouseMoved", 1, 1)
    assert turns_to(browser, 0)
    browser.mouse("mouseMoved", left + 0.2 * width, top + 20)
    browser.mouse("mousePressed", left + 0.2 * width, top + 20, "left")
    browser.mouse("mouseMoved", left + 0.8 * width, top + 20, "left")
    browser.mouse("mouseReleased", left + 0.8 * width, top + 20, "left")
    assert turns_to(browser, 2)
    assert browser.run("document.querySelector('dialog').open") is False


def test_a_finger_turns_a_portrait_and_the_slider_turns_all(browser, page):
    browser.open(page, 390)
    left, top, width = center(browser)
    browser.touch("touchStart", left + 0.1 * width, top + 20)
    browser.touch("touchMove", left + 0.9 * width, top + 20)
    assert turns_to(browser, 2)
    browser.touch("touchEnd")
    browser.run(
        "(slider => { slider.value = 1; slider.dispatchEvent(new Event('input')) })"
        "(document.getElementById('turn-all'))"
    )
    assert turns_to(browser, 1)
