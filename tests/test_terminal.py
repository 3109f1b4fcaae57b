"""What people see: texts as they are, tables whole, a line that moves, and Ctrl-C in one line."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from itportrait.interrupts import EXIT_STOPPED, raised_interrupts
from itportrait.terminal import Working, make_console, make_table

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


@pytest.mark.parametrize("piped", [True, False])
def test_results_go_to_standard_output_while_the_line_moves(piped):
    code = """
import sys
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


def on_a_terminal(code: str, *, until: bytes = b"") -> tuple[int, bytes]:
    """Run code on a terminal; press Ctrl-C once `until` is seen. Return its exit code and text."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execv(sys.executable, [sys.executable, "-c", code])
    shown, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                shown += os.read(terminal, 65536)
            except OSError:  # its end, as Linux tells it
                break
            if until and until in shown:
                os.write(terminal, b"\x03")
                until = b""
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


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


@pytest.mark.parametrize("raised", [False, True])
def test_ctrl_c_is_one_line(raised):
    code = f"""
import time
from itportrait.interrupts import end_quietly
end_quietly()
from itportrait.jobs.endings import run_job
def job():
    print("ready", flush=True)
    time.sleep(60)
    return 0
{"raise SystemExit(run_job(job))" if raised else "job()"}
"""
    done, shown = on_a_terminal(code, until=b"ready")
    lines = shown.replace(b"^C", b"").split(b"ready")[1].split()
    assert done == EXIT_STOPPED
    assert lines[0] == b"stopped;"
    assert b"Traceback" not in shown
    assert b"the same command" in shown


@pytest.mark.parametrize("first", ["return 0", "raise KeyboardInterrupt"])
def test_ctrl_c_after_the_work_does_not_say_that_nothing_was_begun(first):
    code = f"""
import time
from itportrait.interrupts import end_quietly
end_quietly()
from itportrait.jobs.endings import run_job
def job():
    {first}
run_job(job)
print("ready", flush=True)
time.sleep(60)
"""
    done, shown = on_a_terminal(code, until=b"ready")
    assert done == EXIT_STOPPED
    assert b"nothing was begun" not in shown
    assert shown.rstrip().endswith(b"stopped while it ended; what is committed stays")


def test_former_answers_to_ctrl_c_stay_what_they_were():
    former = signal.getsignal(signal.SIGINT)
    with raised_interrupts():
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is former


def test_ctrl_c_within_a_flush_is_one_line():
    code = """
import io, os, sys
from itportrait.interrupts import end_quietly
class Slow(io.RawIOBase):
    def writable(self):
        return True
    def write(self, data):
        os.kill(os.getpid(), 2)
        return len(data)
end_quietly()
sys.stdout = io.TextIOWrapper(io.BufferedWriter(Slow()))
print("a result", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == EXIT_STOPPED
    assert done.stderr.splitlines() == [
        "stopped; nothing was begun, and the same command starts again"
    ]


def test_the_command_line_is_stopped_in_one_line_while_it_starts():
    code = "import itportrait.__main__ as m, os, signal; m.end_quietly(); os.kill(os.getpid(), 2)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (128 + signal.SIGINT, "")
    assert done.stderr.splitlines() == [
        "stopped; nothing was begun, and the same command starts again"
    ]


def test_windows_is_told_what_to_do():
    code = "import sys; sys.platform = 'win32'; import itportrait"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        "ImportError: itportrait runs on Linux and macOS; on Windows use it within WSL 2"
    )
