"""The ten lines of the README, docs/python.md and the notebook, as written, in an empty folder."""

import re

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

from tests.conftest import REPOSITORY

NOTEBOOK = REPOSITORY / "docs" / "portraits.ipynb"


def blocks_of(page, heading=""):
    """Return the Python blocks of a page, or of one of its sections."""
    text = (REPOSITORY / page).read_text()
    if heading:
        text = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def run(code, page):
    exec(compile(code, page, "exec"), {"__name__": "page"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder where the pages are tried one after the other, as a reader does."""
    return tmp_path_factory.mktemp("reader")


@pytest.mark.slow
def test_the_ten_lines_of_the_readme_do_what_they_say(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (block,) = blocks_of("README.md", "Ten lines of Python")
    assert len(block.splitlines()) <= 10
    run(block, "README.md")
    assert Image.open("runs/sheet.png").width > 4 * 128
    lines = (folder / "runs" / "table.csv").read_text().splitlines()
    assert len(lines) == 1 + 5 * 2
    assert sum(",ok," in line for line in lines) == 3 * 2
    assert Image.open("runs/zombie.png").size == (128, 128)
    assert (folder / "runs" / "clown.mp4").stat().st_size > 10_000


@pytest.mark.slow
def test_the_page_of_python_does_what_it_says(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for block in blocks_of("docs/python.md"):
        run(block, "docs/python.md")


@pytest.mark.slow
def test_the_notebook_runs_and_shows_portraits_table_and_film(folder):
    """After the README's lines: what they have kept is not made again."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}}).execute()
    cells = {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    assert not any(output.output_type == "stream" for each in cells.values() for output in each)
    shown = {
        name: [output.get("data", {}) for output in outputs] for name, outputs in cells.items()
    }
    for name in ("people", "styled"):
        work, result = shown[name]
        assert re.fullmatch(r"done after \d+ s", work["text/plain"])
        assert {"text/html", "image/png"} <= set(result)
        assert "coffee.png</b>: no_face: " in result["text/html"]
    assert "<table" in shown["table"][0]["text/html"]
    assert all("image/png" in data for data in shown["views"])
    assert len(shown["views"]) == 3
    assert "<video " in shown["film"][0]["text/html"]
    assert (folder / "runs" / "zombie.glb").stat().st_size > 10_000


def test_the_notebook_is_kept_without_outputs():
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert not any(cell.get("outputs") for cell in cells)
    assert NOTEBOOK.stat().st_size < 10_000
