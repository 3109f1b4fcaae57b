"""What is shown while Python works: a line of a notebook's cell that the next one replaces."""

import sys
import threading
import time
import types
import warnings

import pytest

from itportrait.interactive import progress
from itportrait.interactive.progress import NotebookWorking, shown_working
from itportrait.terminal import Working


@pytest.fixture
def shown(monkeypatch):
    """The texts that a cell shows, one after the other."""
    display = pytest.importorskip("IPython.display", reason="needs IPython")
    looks = []
    handle = types.SimpleNamespace(update=lambda look, raw: looks.append(look["text/plain"]))

    def show(look, raw, display_id):
        looks.append(look["text/plain"])
        return handle

    monkeypatch.setattr(display, "display", show)
    monkeypatch.setattr(progress, "_LEAST_S", 0.0)
    return looks


def test_a_cell_shows_what_is_done_and_keeps_warnings_alone(shown):
    with NotebookWorking("portraits: starting") as working:
        working.now("align")
        working.step(2, None)
        working.step(2, 5)
        working.line("align: tried again")
        working.line("warning: domain 'x': unknown words")
    assert [text.replace(" (0 s)", "") for text in shown] == [
        "portraits: starting",
        "align",
        "align: 2",
        "align: 2 of 5",
        "align: 2 of 5",
        "warning: domain 'x': unknown words\nalign: 2 of 5",
        "warning: domain 'x': unknown words\ndone after 0 s",
    ]


def test_stages_and_warnings_are_shown_at_once_and_numbers_now_and_then(shown, monkeypatch):
    monkeypatch.setattr(progress, "_LEAST_S", 60.0)
    with NotebookWorking("portraits: starting") as working:
        working.now("align")
        working.step(1, 5)
        working.now("invert")
        working.line("invert: tried again")
        working.line("warning: odd")
        looks = [text.replace(" (0 s)", "") for text in shown]
    assert looks == ["portraits: starting", "align", "invert", "warning: odd\ninvert"]


def test_the_line_is_drawn_while_nothing_is_said_and_no_longer_when_the_work_has_ended(
    shown, monkeypatch
):
    monkeypatch.setattr(progress, "_EVERY_S", 0.01)
    threads = {*threading.enumerate()}
    with NotebookWorking("invert") as working:
        deadline = time.monotonic() + 30
        while len(shown) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        working.now("stylize")
        assert {*threading.enumerate()} - threads
    assert [text[:6] for text in shown[:4]] == ["invert"] * 4
    assert not {*threading.enumerate()} - threads
    assert shown[-1].startswith("done after")


def test_an_error_leaves_the_line_that_says_so_and_the_filters_as_they_were(shown):
    before = list(warnings.filters)

    def fail():
        with NotebookWorking("align"):
            warnings.warn("IProgress not found. Please update jupyter", stacklevel=1)
            raise ValueError("it")

    with pytest.raises(ValueError, match="it"):
        fail()
    assert shown[-1] == "stopped after 0 s"
    assert warnings.filters == before


def test_where_it_shows_depends_on_where_it_runs(monkeypatch, capsys):
    assert type(shown_working("x")) is Working
    with shown_working("x", wanted=False) as working:
        working.line("warning: nobody sees it")
    assert capsys.readouterr().err == ""
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(
        sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell, __path__=[])
    )
    assert type(shown_working("x")) is NotebookWorking
