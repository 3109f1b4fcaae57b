"""What people see: texts as they are, tables whole, and a line that moves."""

import io
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from itportrait.terminal import Working, make_console, make_table
from tests.helpers.terminals import OnTerminal, lines_of, on_a_terminal

PACKAGE = Path(__file__).parents[1] / "itportrait"
ODD = "pip install 'itportrait[gcs]' [bold] :smile:"


def test_texts_are_shown_letter_by_letter_and_whole_where_nobody_watches(capsys):
    make_console().print(make_table(("what", "long"), [[ODD, "x" * 300]], title="[red]"))
    shown = capsys.readouterr().out
    assert ODD in shown
    assert "x" * 300 in shown
    assert "[red]" in shown


def test_every_console_is_made_in_one_place():
    makers = [path for path in PACKAGE.rglob("*.py") if re.search(r"\bConsole\(", path.read_text())]
    assert [path.name for path in makers] == ["terminal.py"]


def test_only_lines_are_written_where_nobody_watches(capsys):
    with Working("aligning") as working:
        working.step(1, 2)
        working.line(ODD)
    assert capsys.readouterr().err == f"{ODD}\n"


def test_how_far_the_next_unit_is_stands_behind_the_numbers():
    working = Working("inverting", stream=io.StringIO())
    working.step(0, 4, within="step 3 of at most 9")
    assert working.said() == "[00:00] inverting: 0 of 4, step 3 of at most 9"
    working.step(2, 4)
    assert working.said() == "[00:00] inverting: 2 of 4"


def test_where_nobody_watches_a_line_now_and_then_says_how_far_it_is():
    stream = io.StringIO()
    with Working("building", stream=stream, every_s=0.2) as working:
        working.step(1, 6)
        working.beside("bronze", "step 20 of at most 80", 0.25)
        working.beside("zombie", "scoring")
        working.beside("zombie", "")
        time.sleep(0.3)
        working.line("a line")
        time.sleep(0.1)
    time.sleep(0.3)
    assert stream.getvalue().splitlines() == [
        "[00:00] building: 1 of 6; bronze: step 20 of at most 80",
        "a line",
    ]


def test_one_display_is_shown_in_place_of_another():
    code = """
import time
from itportrait.terminal import Working, take_all_away
with Working("outside") as outside:
    outside.beside("bronze", "step 3", 0.5)
    time.sleep(0.7)
    with Working("within"):
        outside.step(2, 6)
        time.sleep(0.7)
        print("a result")
    time.sleep(0.7)
    take_all_away()
    print("the end")
"""
    with OnTerminal([sys.executable, "-c", code]) as program:
        program.wait(60)
    assert program.code == 0
    shown = program.shown.decode()
    assert re.search("outside.*bronze.*step 3.*within.*outside.*2 of 6.*bronze", shown, re.DOTALL)
    assert "outside" not in shown[shown.index("within") : shown.rindex("within")]
    assert program.lines == ["a result", "the end"]


@pytest.mark.parametrize("piped", [True, False])
def test_results_go_to_standard_output_while_the_line_moves(piped):
    code = """
import sys
import time
from itportrait.terminal import Working, make_console, make_table
with Working("working") as working:
    print("a result")
    make_console().print(make_table(("mean",), [["0.5"]]))
    working.line("a line")
"""
    terminal, end = pty.openpty()
    out = subprocess.PIPE if piped else end
    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=out, stderr=end, env=environment
    ) as process:
        results = process.communicate(timeout=60)[0] or b""
    shown = os.read(terminal, 65536)
    os.close(end)
    os.close(terminal)
    assert process.returncode == 0
    assert b"a line" in shown
    for text in (b"a result", b"0.5"):
        assert (text in results) == piped
        assert (text in shown) == (not piped)


def test_the_line_moves_by_itself_while_a_call_takes_long():
    code = """
import time
from itportrait.terminal import Working
with Working("loading [models]") as working:
    time.sleep(1.2)
    working.step(3, 8, "step 3 of 8, style 0.250, 9 s left at most")
    time.sleep(1.2)
"""
    done, shown = on_a_terminal(code)
    assert done == 0
    assert shown.count(b"loading [models]") >= 3
    assert b"style 0.250, 9 s left" in shown


@pytest.mark.parametrize("next_step", ['now("publishing")', "step(0, None, 'publishing')"])
def test_the_bar_forgets_how_much_there_was_before(next_step):
    code = f"""
import os, time
os.environ["NO_COLOR"] = "1"  # then a bar at 0 of 8 is blank, and only an unknown one has strokes
from itportrait.terminal import Working
with Working("adapting") as working:
    working.step(8, 8)
    working.{next_step}
    time.sleep(1.2)
"""
    done, shown = on_a_terminal(code)
    assert done == 0
    lines = [part for part in re.split("[\r\n]", shown.decode()) if "publishing" in part]
    assert lines
    assert all("━" in line for line in lines)


def test_a_display_that_ctrl_c_has_left_half_made_hides_neither_the_line_nor_the_cursor():
    code = """
from itportrait.terminal import Working, bring_to_front
from itportrait.jobs.endings import run_job
class Broken:
    def begin(self):
        print("\\x1b[?25l", end="", flush=True)
        raise KeyboardInterrupt
    def pause(self):
        raise IndexError("pop from empty list")
def job():
    with Working("outside"):
        bring_to_front(Broken())
raise SystemExit(run_job(job))
"""
    done, shown = on_a_terminal(code)
    assert (done, shown.count(b"Traceback")) == (130, 0)
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")
    assert lines_of(shown.decode())[-1].startswith("stopped; ")


def test_windows_is_told_what_to_do():
    code = "import sys; sys.platform = 'win32'; import itportrait"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        "ImportError: itportrait runs on Linux and macOS; on Windows use it within WSL 2"
    )
