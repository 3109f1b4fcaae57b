"""What users wait for and the ops behind it, against the published sequence of operations.

    make bench
    python -m benchmarks.bench [--only inversion] [--pairs 5] [--json found.json] [--store]

The reference and ours run in turn in one process, on one thread unless asked otherwise, each twice,
of which the second is timed; the ratio is the median over the pairs, of CPU seconds on a CPU, which
other load moves least, and of wall-clock seconds on a GPU. Steps of an adaptation, which take
minutes, run as one pair. All weights are random. Prints one table, and at the end what of the
library's peak speed was reached. Ends with an error where an action lost more than 15 % of its
ratio in `baseline.json`; `--store` writes that file instead, and `python docs/performance.py` makes
the page from it.
`--quick` has the same names for tiny sizes, so that it takes a baseline of its own: `--baseline`.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from benchmarks.speed.actions import mini_actions, published_actions
from benchmarks.speed.adaptation import adaptation_actions
from benchmarks.speed.baseline import losses, merged, stored_ratios
from benchmarks.speed.measure import Action, Machine, Row, judged, measure
from benchmarks.speed.ops import op_actions

BASELINE = Path(__file__).with_name("baseline.json")
GROUPS = {
    "published": published_actions,
    "mini": mini_actions,
    "ops": op_actions,
    "adaptation": adaptation_actions,
}
COLUMNS = (
    f"{'':62s}{'ratio':>6s}{'reference':>11s}{'ours':>9s}{'wall':>9s}{'a result':>11s}"
    f"{'memory, MB':>15s}"
)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark of the command line; return 1 where speed was lost."""
    options = parsed(arguments)
    torch.set_num_threads(options.threads)
    machine = Machine(options.device, peak_side=256 if options.quick else 2048)
    print(COLUMNS, flush=True)
    rows = []
    for action in chosen(options):
        rows.append(measure(action, machine, options.pairs))
        print(line(rows[-1]), flush=True)
    rows = judged(rows, machine)
    print("\n".join(shares(rows)))
    found = {"machine": machine.describe(), "rows": [row.to_json() for row in rows]}
    print(json.dumps(found["machine"]))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    if options.store:
        stored = merged(found, options.baseline)
        options.baseline.write_text(json.dumps(stored, indent=1) + "\n")
        return 0
    return told_losses(rows, options.baseline)


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """Return the command line's options; ends the program where they do not fit."""
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    made.add_argument("--threads", type=int, default=1, help="threads of the CPU (default 1)")
    made.add_argument("--pairs", type=int, default=5, help="runs of each side (default 5)")
    made.add_argument("--groups", default=",".join(GROUPS), help=f"of {', '.join(GROUPS)}")
    made.add_argument("--only", default="", help="actions whose name holds this text")
    made.add_argument("--quick", action="store_true", help="tiny sizes: a trial of the program")
    made.add_argument("--json", type=Path, help="write all figures there")
    made.add_argument("--baseline", type=Path, help=f"the stored run (default {BASELINE.name})")
    made.add_argument("--store", action="store_true", help="write the stored run")
    options = made.parse_args(arguments)
    if options.quick and options.baseline is None:
        made.error(f"--quick needs --baseline FILE: {BASELINE.name} has the sizes of a whole run")
    options.baseline = options.baseline or BASELINE
    return options


def chosen(options: Any) -> Iterator[Action]:
    """Return the actions that the options ask for, each made when it is its turn."""
    groups = [GROUPS[name] for name in options.groups.split(",")]
    made = chain.from_iterable(group(options.device, quick=options.quick) for group in groups)
    return (action for action in made if options.only in action.name)


def line(row: Row) -> str:
    """Return a row of the table."""
    sizes = [row.reference_peak_mb, row.ours_peak_mb]
    memory = " / ".join("?" if size is None else f"{size:.0f}" for size in sizes)
    return (
        f"{row.name:62s}{row.ratio:6.2f}{row.reference_cpu_s:9.3f} s{row.ours_cpu_s:7.3f} s"
        f"{row.ours_wall_s:7.3f} s{row.ours_ms_per_result:8.1f} ms{memory:>15s}"
    )


def shares(rows: list[Row]) -> Iterator[str]:
    """Yield what of the library's peak the reference's arithmetic would be in our seconds."""
    for row in rows:
        if row.share_of_peak is not None:
            yield f"{row.name:62s}{row.share_of_peak:6.0%} of the library's peak"


def told_losses(rows: list[Row], path: Path) -> int:
    """Say which actions are slower than in the stored run; return 1 if any is."""
    if not path.exists():
        print(f"no stored run in {path}: nothing to compare with", file=sys.stderr)
        return 0
    lost = losses(rows, stored_ratios(path))
    for each in lost:
        print(f"slower than in {path.name}: {each}", file=sys.stderr)
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
