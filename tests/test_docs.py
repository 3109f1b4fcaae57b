"""The pages for people: what they name is there, and what is made from the sources follows them."""

import re
import subprocess
import sys
from itertools import pairwise

import pytest

from tests.conftest import REPOSITORY

FOLDERS = ("benchmarks", "cluster", "configs", "docs", "itportrait", "tests", "workflows")
PAGES = sorted(
    path.relative_to(REPOSITORY)
    for pattern in ("*.md", "docs/*.md", "cluster/*.md")
    for path in REPOSITORY.glob(pattern)
)


def anchors(text):
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in headings}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_to_files_and_headings(page):
    folder = (REPOSITORY / page).parent
    links = re.findall(r"\]\(([^)\s]+)\)", (REPOSITORY / page).read_text())
    for link in links:
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = folder / name if name else REPOSITORY / page
        assert target.exists(), f"{page}: {link}"
        assert not anchor or anchor in anchors(target.read_text()), f"{page}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_modules_that_a_page_names_exist(page):
    text = re.sub(r"```.*?```", "", (REPOSITORY / page).read_text(), flags=re.DOTALL)
    roots = [REPOSITORY, REPOSITORY / "itportrait", (REPOSITORY / page).parent]
    for name in sorted(set(re.findall(r"`([\w./-]+\.(?:py|yaml|cpp|sh))`", text))):
        name = name.replace("NAME", "invert")  # whose files show what a reader's package has
        found = any((root / name).exists() for root in roots)
        if "/" not in name:
            found = found or any(any((REPOSITORY / f).rglob(name)) for f in FOLDERS)
        assert found, f"{page}: {name}"


@pytest.fixture
def drawing(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "docs"))
    import drawing

    return drawing


def test_arrows_that_others_imply_are_left_out(drawing):
    used = {"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset()}
    assert drawing.reduced(used) == {"a": {"b"}, "b": {"c"}, "c": frozenset()}


def test_every_room_is_drawn_in_its_layer_and_no_two_boxes_touch(drawing):
    bands = drawing.layers()
    corners = drawing.place([list(band) for band in bands], {})
    assert set(corners) == {room for band in bands for room in band}
    for band in bands:
        assert len({corners[room][1] for room in band}) == 1
        at = sorted(corners[room][0] for room in band)
        assert all(right - left > drawing.BOX_WIDTH for left, right in pairwise(at))


@pytest.mark.parametrize("page", ["tree", "data", "performance"])
def test_pages_follow_the_sources(page):
    done = subprocess.run(
        [sys.executable, f"docs/{page}.py", "--check"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
