"""Ctrl-C while a program starts, works and ends: one line, and what is true in it."""

import signal
import subprocess
import sys

import pytest

from itportrait.interrupts import EXIT_STOPPED, raised_interrupts
from tests.helpers.terminals import on_a_terminal


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
