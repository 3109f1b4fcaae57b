"""Gather what `gpu_check.sh` has left in a folder into one JSON file, and judge it.

    python -m benchmarks.gpu_report FOLDER

Prints how each part ended, and ends with 1 where one failed or took too long.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

TIMED_OUT = (124, 137)
TAIL = 1500
"""Characters of a failed part's log that are kept."""


def main() -> None:
    """Gather the parts of the folder on the command line."""
    folder = Path(sys.argv[1])
    report = gather(folder)
    (folder / "gpu_check.json").write_text(json.dumps(report, indent=1))
    print(json.dumps(report["parts"], indent=1))
    if not report["ok"]:
        raise SystemExit(1)


def gather(folder: Path) -> dict[str, Any]:
    """Return all parts that ended in a folder, and the figures of those that wrote some.

    Parts that were left out are among them, with their reason; they are no failure.
    """
    parts = {path.stem: part(path) for path in sorted(folder.glob("*.end"))}
    figures = {
        path.stem: json.loads(path.read_text())
        for path in sorted(folder.glob("*.json"))
        if path.stem in parts
    }
    ok = bool(parts) and all(each["ended"] == "well" for each in parts.values())
    for path in sorted(folder.glob("*.left_out")):
        parts[path.stem] = {"ended": "left out", "reason": path.read_text().strip()}
    return {"ok": ok, "parts": parts, **figures}


def part(end: Path) -> dict[str, Any]:
    """Return how a part ended, from its file `NAME.end`: exit code, seconds, limit."""
    code, seconds, limit = (int(word) for word in end.read_text().split())
    log = end.with_suffix(".log").read_text(errors="replace")
    ended = "well" if code == 0 else "too late" if code in TIMED_OUT else "badly"
    found: dict[str, Any] = {"ended": ended, "seconds": seconds, "limit": limit}
    if counts := re.findall(r"(\d+) (passed|failed|skipped)", log):
        found["tests"] = {word: int(number) for number, word in counts}
        if not found["tests"].get("passed"):
            found["ended"] = "without a test that ran"
    if found["ended"] != "well":
        found["log"] = log[-TAIL:]
    return found


if __name__ == "__main__":
    main()
