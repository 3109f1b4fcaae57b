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


def test_tree_and_drawing_follow_the_sources():
    done = subprocess.run(
        [sys.executable, "docs/tree.py", "--check"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def example(heading):
    """Return the Python of a section of CONTRIBUTING.md."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert blocks, heading
    return "\n".join(blocks)


def test_the_example_of_an_op_computes_what_the_op_does():
    import torch

    from itportrait.ops.bias_act import BIAS_ACT, bias_act

    before = list(BIAS_ACT.implementations)
    try:
        exec(compile(example("Add an op"), "CONTRIBUTING.md", "exec"), {})
        x, bias, scale = torch.randn(2, 3, 4, 5), torch.randn(3), torch.randn(2, 3)
        given, expected = x.clone(), bias_act(x, bias, scale=scale, clamp=0.7, backend="reference")
        with torch.no_grad():
            assert BIAS_ACT.choose([x, bias]).__name__ == "in_place"
        assert torch.allclose(bias_act(x, bias, scale=scale, clamp=0.7), expected)
        assert torch.equal(x, given)
        assert BIAS_ACT.choose([x.requires_grad_()]).__name__ == "bias_act_folded"
    finally:
        BIAS_ACT.implementations[:] = before


def test_the_example_of_a_mini_domain_is_drawn_and_captioned(monkeypatch):
    import numpy as np

    from itportrait.geometry.camera import frontal_camera
    from itportrait.mini.captions import captions
    from itportrait.portraits import HELD_OUT_SEED, domains, render_portrait, sample_people
    from itportrait.portraits.shading import STUFFS
    from itportrait.pretrain.training.prompts import domain_prompts

    made: dict = {}
    exec(compile(example("Add a domain of the mini world"), "CONTRIBUTING.md", "exec"), made)
    monkeypatch.setitem(STUFFS, "marble", made["marble"])
    monkeypatch.setitem(domains._BY_NAME, "marble", made["MARBLE"])
    person = sample_people(1, HELD_OUT_SEED)[0]
    drawn, photo, bronze = (
        render_portrait(person, frontal_camera(), 64, domain=name)
        for name in ("marble", "photo", "bronze")
    )
    on = drawn.alpha > 0.99
    colors = drawn.image[on].astype(int)
    assert np.array_equal(drawn.alpha, bronze.alpha)
    assert (colors.max(1) - colors.min(1)).mean() < 20 < colors.mean()
    assert colors.mean() > photo.image[on].mean() + 20
    said = captions(person, "marble", np.random.default_rng(0), 8)
    assert all("marble" in text and "{" not in text for text in said)
    assert not any("eyes" in text for text in said)
    assert "a marble statue of a person" in domain_prompts("marble")
