"""Run a reader on hostile files in a process of its own, and say what it raised and took."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

SPARE = 512 << 20
"""What a reader may take besides twice the file, in bytes."""
_READERS = {
    "checkpoint": "itportrait.weights.checkpoints:read_checkpoint",
    "network": "itportrait.perception:PerceptualModel.load",
    "adapter": "itportrait.styles:WeightStyle.load",
    "generator": "itportrait.generator.io:load_generator",
}


def peak_memory() -> int:
    """Return the most memory that this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def forbid_more_than(spare: int) -> None:
    """Let allocations past what the process has and `spare` fail."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + spare, size + spare))


def read_bounded(reader: str, paths: list[Path], *, timeout_s: float = 120) -> list[dict]:
    """Read every file in a fork of one process.

    Args:
        reader: a key of `_READERS`.
        paths: the files.
        timeout_s: after which the whole has failed.

    Returns:
        For each file `error` (name of the class, or none), `message`, `seconds`, `memory` (bytes
        beyond what the process had before) and `signal` (which ended it, or 0).
    """
    command = [sys.executable, "-m", "tests.helpers.bounded", reader, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def _read_one(read, path: Path) -> dict:
    before, began, error, message = peak_memory(), time.perf_counter(), None, ""
    forbid_more_than(2 * path.stat().st_size + 4 * SPARE)
    try:
        read(path)
    except Exception as caught:  # the test decides which of them may be
        error, message = type(caught).__name__, str(caught)
    seconds = time.perf_counter() - began
    memory = peak_memory() - before
    return {"error": error, "message": message[:500], "seconds": seconds, "memory": memory}


def _main(reader: str, names: list[str]) -> None:
    from functools import reduce
    from importlib import import_module

    module, _, attribute = _READERS[reader].partition(":")
    read = reduce(getattr, attribute.split("."), import_module(module))
    for name in names:
        source, sink = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(sink, json.dumps(_read_one(read, Path(name))).encode())
            os._exit(0)
        os.close(sink)
        _, status = os.waitpid(child, 0)
        with os.fdopen(source, "rb") as stream:
            answer = json.loads(stream.read() or b"{}")
        print(json.dumps({**answer, "signal": os.WTERMSIG(status)}))


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2:])
