"""Memory of this machine or of the container that it is: how much is used, and whether there is
room.

A container's own limit counts where there is one (cgroups, both versions), and the cache of files
counts as free.
"""

import os
from dataclasses import dataclass
from pathlib import Path

KILL_AT = "RAY_memory_usage_threshold"
"""Environment variable with the share of the memory at which Ray ends tasks of a node."""
_KILL_AT = 0.95
_MEMINFO = "/proc/meminfo"
_CGROUPS = (
    ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file", "active_file"),
    (
        "/sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
        "total_active_file",
    ),
)
GIB = 2**30


class NoRoomError(Exception):
    """A task had less memory free on its node than it asked for, before or after its work."""


@dataclass(frozen=True)
class Memory:
    """Memory of a machine in bytes."""

    total: int
    used: int

    @property
    def usable(self) -> int:
        """Return the bytes that may be used before tasks are ended for it."""
        return int(self.total * float(os.environ.get(KILL_AT) or _KILL_AT))

    @property
    def free(self) -> int:
        """Return the bytes that may still be taken."""
        return max(self.usable - self.used, 0)


@dataclass(frozen=True)
class Room:
    """Memory that must be free where a task begins: a share of what is usable, up to a limit.

    Args:
        share: of the usable memory.
        most: bytes that are always enough.
    """

    share: float
    most: int

    def check(self) -> None:
        """Raise `NoRoomError` if this machine has less memory free."""
        memory = read_memory()
        wanted = min(int(memory.usable * self.share), self.most)
        if memory.free < wanted:
            raise NoRoomError(
                f"{memory.free / GIB:.1f} GiB of {memory.usable / GIB:.1f} GiB usable memory are "
                f"free, and {wanted / GIB:.1f} GiB were asked for"
            )


def is_memory_error(kind: str, message: str) -> bool:
    """Tell whether an error, by its class's name and message, says that memory ran out.

    That is Python's own, torch's on a GPU (`torch.OutOfMemoryError`), and torch's on a CPU (a
    `RuntimeError` of its allocator).
    """
    return kind in ("MemoryError", "OutOfMemoryError") or "DefaultCPUAllocator" in message


def read_memory() -> Memory:
    """Return the memory of this machine, or of its container if that has less."""
    info = _fields(Path(_MEMINFO), unit=1024)
    if not info:  # no Linux
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return Memory(total, 0)
    machine = Memory(info["MemTotal"], info["MemTotal"] - info["MemAvailable"])
    for folder, limit_name, usage_name, *cached in _CGROUPS:
        limit, usage = _number(Path(folder, limit_name)), _number(Path(folder, usage_name))
        if limit is not None and usage is not None and limit < machine.total:
            statistics = _fields(Path(folder, "memory.stat"))
            cache = sum(statistics.get(name, 0) for name in cached)
            return Memory(limit, max(usage - cache, 0))
    return machine


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such file; "max"
        return None


def _fields(path: Path, unit: int = 1) -> dict[str, int]:
    """Return the numbers of a file of lines such as `MemTotal:  24 kB` or `active_file 24`."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.replace(":", " ").split()[:2] for line in lines)
    return {pair[0]: int(pair[1]) * unit for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
