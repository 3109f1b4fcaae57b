"""Rewrite docs/performance.md from the benchmark's stored run: `python docs/performance.py`."""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
STORED = ROOT / "benchmarks" / "baseline.json"
PAGE = ROOT / "docs" / "performance.md"
HEAD = """# Performance

What users wait for, and the ops behind it, against the published program's sequence of operations
in plain PyTorch, float32 (`benchmarks/published_path`). Both run in turn in one process with the
same random weights: the published generator of 512 px (128 x 128 rays, 48 + 48 samples) and the
embedded one of 128 px. Each timed call follows one of the same form that is not timed, as a step of
a training follows another. `make bench` measures anew, and fails where an action has lost more than
15 % of its ratio here.

- **Ratio**: the reference's CPU seconds over ours, median over pairs.
- **Reference, ours**: CPU seconds of one call.
- **A result**: wall-clock milliseconds for each picture or portrait of a call; other load on the
  machine counts in these, and hardly in the ratios.
- **Of peak**: the reference's products and sums, done in our seconds, as a share of what the
  library's fastest product of matrices or plain convolution reached in the same run. Winograd's
  convolution needs fewer products, so this may exceed 100 %.
- **Memory**: the most that a call held above what was there before it, reference and ours, in MB;
  a call that fits into memory that the process has freed but kept shows 0.
"""


def page(found: dict[str, Any]) -> str:
    """Return the page of a stored run."""
    machine = found["machine"]
    about = (
        f"Measured on {machine['device']} ({machine['vector_units']}), {machine['threads']} of "
        f"{machine['cores']} cores, torch {machine['torch']}; the library reached "
        f"{machine['peak_gflops']:g} GFLOP/s at most. Load of the machine at the end of the run: "
        f"{', '.join(map(str, machine['load']))}."
    )
    names = "action", "ratio", "reference, s", "ours, s", "a result, ms", "of peak", "memory, MB"
    lines = [f"| {' | '.join(names)} |", "| --- " + "| ---: " * (len(names) - 1) + "|"]
    lines += [f"| {' | '.join(cells(row))} |" for row in found["rows"]]
    return f"{HEAD}\n{about}\n\n" + "\n".join(lines) + "\n"


def cells(row: dict[str, Any]) -> list[str]:
    """Return the texts of a row."""
    share = row["share_of_peak"]
    sizes = [row["reference_peak_mb"], row["ours_peak_mb"]]
    return [
        row["name"],
        f"{row['ratio']:.1f}",
        f"{row['reference_cpu_s']:.3g}",
        f"{row['ours_cpu_s']:.3g}",
        f"{row['ours_ms_per_result']:.3g}",
        "" if share is None else f"{share:.0%}",
        ", ".join("unknown" if size is None else f"{max(size, 0):.0f}" for size in sizes),
    ]


def main() -> int:
    """Rewrite the page, or with `--check` say whether it follows the stored run."""
    wanted = page(json.loads(STORED.read_text()))
    if "--check" not in sys.argv:
        PAGE.write_text(wanted)
        return 0
    if PAGE.exists() and PAGE.read_text() == wanted:
        return 0
    print("docs/performance.md does not follow benchmarks/baseline.json; run docs/performance.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
