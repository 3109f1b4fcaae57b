"""A shell that runs one program in front of a terminal.

    terminal_shell.py TELL HELD CWD RESULTS COMMAND…

A program of its own and not a fork of the tests: those have the threads of Ray, and what runs in a
fork of threads can wait for ever for a lock that one of them held.
"""

import fcntl
import os
import signal
import struct
import sys
import termios

_COLUMNS, _LINES = 120, 40


def main() -> None:
    """Run the program; stay until the terminal is closed.

    The program is not the leader of the session: what it leaves behind gets no SIGHUP. Its number
    and its status are written to the descriptor TELL; the end of HELD ends the shell.
    """
    tell, held = int(sys.argv[1]), int(sys.argv[2])
    cwd, results, command = sys.argv[3], sys.argv[4], sys.argv[5:]
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, _COLUMNS, 0, 0))
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    pid = os.fork()
    if pid == 0:
        os.close(tell)
        os.close(held)
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        for each in (signal.SIGTTOU, signal.SIGINT):  # in the background, Ctrl-C is ignored
            signal.signal(each, signal.SIG_DFL)
        if results:
            os.dup2(os.open(results, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), 1)
        os.chdir(cwd or ".")
        os.execvp(command[0], command)
    os.write(tell, pid.to_bytes(8, "little"))
    os.write(tell, os.waitpid(pid, 0)[1].to_bytes(8, "little"))
    os.read(held, 1)


if __name__ == "__main__":
    try:
        main()
    finally:
        os._exit(127)
