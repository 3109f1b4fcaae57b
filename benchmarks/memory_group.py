"""A machine of less memory within this one: a control group that its processes take for the whole.

Needs Linux and root. The group's folder is mounted over the root of the memory controller for the
processes in it alone, as a container's is, so that Ray and everything else see its limit.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

GIB = 2**30
_V1, _V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
_ENTER = 'echo $$ > "$1/cgroup.procs" && mount --bind "$1" "$2" && shift 2 && exec "$@"'


class MemoryGroup:
    """A control group for the time of the block.

    Args:
        name: of its folder.
        limit: its memory, in bytes.
    """

    def __init__(self, name: str, limit: int) -> None:
        self.limit = limit
        self.first = (_V1 / "memory.limit_in_bytes").exists()
        self.root = _V1 if self.first else _V2
        self.folder = self.root / f"{name}-{os.getpid()}"

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir()
            name = "memory.limit_in_bytes" if self.first else "memory.max"
            (self.folder / name).write_text(str(self.limit))
        except OSError as error:
            sys.exit(f"no control group can be made ({error}): run this as root, on Linux")
        return self

    def __exit__(self, *_: object) -> None:
        for _ in range(50):
            try:
                self.folder.rmdir()
                return
            except OSError:  # its last processes are about to end
                time.sleep(0.2)

    def start(self, command: list[str], **options) -> subprocess.Popen:
        """Start a process that belongs to the group and takes it for the whole machine."""
        enter = ["unshare", "--mount", "sh", "-c", _ENTER, "sh", str(self.folder), str(self.root)]
        return subprocess.Popen([*enter, *command], **options)
