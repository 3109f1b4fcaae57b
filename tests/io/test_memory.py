"""Memory of the machine or of its container, and whether a task has room in it."""

import pickle

import pytest

from itportrait.io import memory
from itportrait.io.memory import GIB, KILL_AT, Memory, NoRoomError, Room, read_memory

MEMINFO = "MemTotal: 25165824 kB\nMemFree: 100 kB\nMemAvailable: 8388608 kB\nHugePages_Total: 0\n"


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A function that gives this process a machine of 24 GiB, and cgroup files of its own."""

    def make(**files: str) -> None:
        (tmp_path / "meminfo").write_text(MEMINFO)
        for name, text in files.items():
            (tmp_path / name.replace("__", ".")).write_text(text)
        groups = [(str(tmp_path), *names) for _, *names in memory._CGROUPS]
        monkeypatch.setattr(memory, "_CGROUPS", groups)
        monkeypatch.setattr(memory, "_MEMINFO", str(tmp_path / "meminfo"))

    return make


def test_this_machine_has_memory_and_uses_some():
    found = read_memory()
    assert found.total > GIB
    assert 0 < found.used < found.total
    assert found.free <= found.usable < found.total


def test_machine_without_a_limit_of_its_own(machine):
    machine(memory__max="max\n", memory__current="5\n")
    assert read_memory() == Memory(24 * GIB, 16 * GIB)


@pytest.mark.parametrize(
    "files",
    [
        {"memory__max": f"{4 * GIB}\n", "memory__current": f"{3 * GIB}\n"},
        {"memory__limit_in_bytes": f"{4 * GIB}\n", "memory__usage_in_bytes": f"{3 * GIB}\n"},
    ],
)
def test_limit_of_a_container_counts_and_its_cache_does_not(machine, files):
    prefix = "total_" if "memory__limit_in_bytes" in files else ""
    cache = f"anon 7\n{prefix}inactive_file {GIB // 2}\n{prefix}active_file {GIB // 2}\n"
    machine(memory__stat=cache, **files)
    assert read_memory() == Memory(4 * GIB, 2 * GIB)


def test_room_is_a_share_of_what_may_be_used_up_to_a_bound(machine, monkeypatch):
    monkeypatch.setenv(KILL_AT, "0.75")
    machine()
    assert read_memory().free == 2 * GIB
    Room(share=0.1, most=16 * GIB).check()
    Room(share=0.5, most=2 * GIB).check()
    with pytest.raises(NoRoomError, match=r"2\.0 GiB of 18.0 GiB usable memory are free, and 9\.0"):
        Room(share=0.5, most=16 * GIB).check()


def test_lack_of_room_travels_between_processes():
    assert str(pickle.loads(pickle.dumps(NoRoomError("2 GiB are free")))) == "2 GiB are free"
