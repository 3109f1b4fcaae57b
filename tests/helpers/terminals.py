"""Programs on a terminal of their own."""

import os
import pty
import select
import sys
import time


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
