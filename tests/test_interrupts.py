"""Ctrl-C while a program starts, works and ends: one line, and what is true in it."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from itportrait.errors import NoInputError
from itportrait.interrupts import EXIT_LOST, EXIT_STOPPED, raised_interrupts
from itportrait.jobs.endings import EXIT_USAGE, run_job
from tests.helpers.terminals import OnTerminal, lines_of, on_a_terminal

BUFFERED = {**os.environ, "PYTHONUNBUFFERED": ""}
"""Environment in which output is written at the end."""


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
    done, shown = on_a_terminal(code, until=b"ready\r\n")
    assert done == EXIT_STOPPED
    first, last = lines_of(shown.decode().replace("^C", ""))
    assert first == "ready"
    assert last.startswith("stopped; ")
    assert "the same command" in last


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
    last = lines_of(shown.decode())[-1]
    assert last == "stopped while it ended; what is committed stays"


def test_former_answers_to_ctrl_c_stay_what_they_were():
    former = signal.getsignal(signal.SIGINT)
    with raised_interrupts(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
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


def test_a_hand_that_stays_on_the_keys_disturbs_nothing_and_who_insists_ends_it_at_once():
    code = """
import time
from itportrait.interrupts import end_quietly
end_quietly()
from itportrait.jobs.endings import run_job
def job():
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        print("putting things in order", flush=True)
        time.sleep(60)
raise SystemExit(run_job(job))
"""
    with OnTerminal([sys.executable, "-c", code]) as program:
        program.wait(60, lambda: b"ready" in program.shown)
        program.press_ctrl_c()
        program.wait(60, lambda: b"in order" in program.shown)
        program.press_ctrl_c()
        began = program.seconds
        program.wait(60, lambda: program.seconds > began + 2.5)
        assert program.code is None
        program.press_ctrl_c()
        program.wait(60)
    assert program.code == EXIT_STOPPED
    assert program.lines[-1].endswith(
        "stopped at once; what is committed stays, and the same command goes on"
    )


def test_the_terminal_shows_at_once_that_a_program_starts_and_nothing_of_it_stays():
    code = """
import time
from itportrait.interrupts import end_quietly, starting_ends
end_quietly(shown="it starts:")
time.sleep(2.2)
starting_ends()
print("a result")
"""
    with OnTerminal([sys.executable, "-S", "-c", code]) as program:
        program.wait(60, lambda: b"it starts: 1 s" in program.shown)
        program.wait(60)
    assert program.lines == ["a result"]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("a result\n", "")


@pytest.mark.parametrize(
    ("end", "code"), [("return 3", 3), ("raise SystemExit(4)", 4), ("raise SystemExit('why')", 1)]
)
def test_a_program_does_what_is_registered_for_its_end_and_takes_nothing_apart(end, code):
    program = f"""
import atexit, sys, threading, time
from itportrait.interrupts import run_program
class Kept:
    def __del__(self):
        print("taken apart")
kept = Kept()
atexit.register(print, "registered")
threading.Thread(target=lambda: (time.sleep(0.3), print("a thread"))).start()
def main():
    {end}
run_program(main)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == code
    assert done.stdout.splitlines()[:2] == ["a thread", "registered"]
    assert ("taken apart" in done.stdout, done.stderr) == (code == 1, "why\n" if code == 1 else "")


@pytest.mark.parametrize(
    "swallow",
    [
        "class Kept:\n    def __del__(self): os.kill(os.getpid(), 2)\nkept = Kept()\ndel kept",
        "try: os.kill(os.getpid(), 2)\nexcept KeyboardInterrupt: raise ImportError('no module')",
    ],
)
def test_a_ctrl_c_that_others_drop_or_make_an_error_of_stops_it_all_the_same(swallow):
    body = "\n".join(f"    {line}" for line in swallow.splitlines())
    code = f"""
import os, time
from itportrait.jobs.endings import run_job
def job():
{body}
    for _ in range(100):
        time.sleep(0.1)
    return 0
raise SystemExit(run_job(job))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == EXIT_STOPPED
    assert done.stderr.splitlines() == [
        "stopped; what is committed stays, and the same command goes on"
    ]


def test_an_error_long_after_ctrl_c_is_shown_and_one_of_ours_always(monkeypatch, capsys):
    def job(error: Exception, later_s: float) -> int:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        now = time.monotonic() + later_s
        monkeypatch.setattr(time, "monotonic", lambda: now)
        raise error

    assert run_job(lambda: job(NoInputError("no photos"), 1.0)) == EXIT_STOPPED
    ours, stopped = capsys.readouterr().err.splitlines()
    assert (ours, stopped[:8]) == ("error: no photos", "stopped;")
    monkeypatch.undo()
    assert run_job(lambda: job(NoInputError("no photos"), 60.0)) == EXIT_USAGE
    assert capsys.readouterr().err == "error: no photos\n"
    monkeypatch.undo()
    with pytest.raises(ZeroDivisionError):
        run_job(lambda: job(ZeroDivisionError(), 60.0))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_output_that_is_lost_at_the_end_is_told():
    code = "from itportrait.interrupts import run_program; run_program(lambda: print('a result'))"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, env=BUFFERED
        )
    assert done.returncode == EXIT_LOST
    assert done.stderr == b"error: standard output cannot be written: No space left on device\n"


def test_output_whose_reader_has_gone_is_no_error():
    code = "from itportrait.interrupts import run_program; run_program(lambda: print('a result'))"
    gone, end = os.pipe()
    os.close(gone)
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=end, stderr=subprocess.PIPE, env=BUFFERED
    )
    os.close(end)
    assert (done.returncode, done.stderr) == (0, b"")


def test_nothing_is_shown_on_the_line_that_a_shell_completes():
    code = """
import time
from itportrait.interrupts import end_quietly
end_quietly(shown="it starts:")
time.sleep(0.6)
"""
    environment = {"_ITPORTRAIT_COMPLETE": "complete_bash"}
    with OnTerminal([sys.executable, "-S", "-c", code], environment) as program:
        program.wait(60)
    assert (program.code, program.shown) == (0, b"")


@pytest.mark.parametrize(
    "hides", ["start_new_session=True", "env={}"], ids=["of another session", "without the mark"]
)
def test_a_process_that_a_program_leaves_is_found(hides):
    code = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"], {hides})
"""
    with OnTerminal([sys.executable, "-S", "-c", code]) as program:
        program.wait(60)
        left = program.left()
    assert [text.partition(" ")[2] for text in left.values()] == [
        "-S -c import time; time.sleep(60)"
    ]


@pytest.mark.parametrize("library", ["signal.siginterrupt(signal.SIGINT, False)", "import polars"])
def test_a_library_that_lets_waits_go_on_does_not_keep_ctrl_c_from_ending_one(library):
    code = f"""
import signal, threading, time
from itportrait.jobs.endings import run_job
def job():
    threading.Thread(target=elsewhere, daemon=True).start()
    threading.Event().wait()
def elsewhere():
    {library}
    time.sleep(1.5)
    print("ready", flush=True)
raise SystemExit(run_job(job))
"""
    done, shown = on_a_terminal(code, until=b"ready")
    assert done == EXIT_STOPPED
    assert b"stopped; what is committed stays" in shown
    assert b"Traceback" not in shown
