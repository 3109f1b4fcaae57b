"""Parts of a benchmark one after the other: one that fails is told, and the others go on."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks.clock import Clock


def run_parts(
    parts: Mapping[str, Callable[[], Any]], machine: Clock, path: str | None = None
) -> None:
    """Run parts, and print what each has found as a line of JSON.

    Args:
        parts: by name, what measures one and returns plain data.
        machine: where they run.
        path: of a JSON file that holds all figures, or None.

    Raises:
        SystemExit: with 1, where a part failed, after all have run.
    """
    found: dict[str, Any] = {"torch": torch.__version__, "device": machine.name}
    failed = False
    for name, part in parts.items():
        try:
            found[name] = part()
        except Exception as error:  # the other parts are worth their time all the same
            found[name], failed = f"failed: {error!r}", True
        print(json.dumps({name: found[name]}), flush=True)
    if path:
        Path(path).write_text(json.dumps(found, indent=1))
    if failed:
        raise SystemExit(1)
