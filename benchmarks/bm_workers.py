"""Two workers against one for a domain: the same result in distribution?

    python -m benchmarks.bm_workers --domain bronze

Builds a domain of `configs/bank.yaml` once a seed with one worker, and once a seed with two workers
of half the batch each, which draw their own codes and cameras. Prints every final metric of both,
and whether their means lie no further apart than the seeds of one worker do. Six seeds, since three
understate how far seeds lie apart.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("RAY_AUTH_MODE", "disabled")

import yaml

from itportrait.bank.store import Bank
from itportrait.jobs.bank.spec import load_bank_spec
from tests.helpers.build_job import BuildJob, mini_bank_spec

METRICS = (
    "clip_direction",
    "clip_image",
    "identity",
    "depth_variance",
    "view_consistency",
    "diversity",
    "kid_ratio",
)


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--domain", default="bronze", help="of configs/bank.yaml")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10, 16)))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        one, two = (
            final_metrics(Path(folder) / str(workers), arguments.domain, arguments.seeds, workers)
            for workers in (1, 2)
        )
    apart = 0
    for name in [name for name in METRICS if name in one[0]]:
        ours, theirs = ([row[name] for row in rows] for rows in (one, two))
        spread = max(ours) - min(ours)
        shift = abs(statistics.mean(ours) - statistics.mean(theirs))
        apart += shift > spread
        print(
            f"{name:<18} one worker {_shown(ours)}   two {_shown(theirs)}   "
            f"spread of seeds {spread:.3f}, shift {shift:.3f}{'  <-' if shift > spread else ''}"
        )
    sys.exit(f"{apart} metrics lie further apart than the seeds" if apart else 0)


def final_metrics(
    place: Path, domain: str, seeds: list[int], workers: int
) -> list[dict[str, float]]:
    """Build the domain once a seed and return what the gate measured.

    Args:
        place: a new folder.
        domain: of `configs/bank.yaml`.
        seeds: one build each.
        workers: of Ray Train; one worker gets twice the batch and twice the pool.
    """
    place.mkdir()
    spec = mini_bank_spec()
    wanted = spec["domains"][domain]
    if workers == 1:
        adapt = load_bank_spec("bank").adapt
        wanted["options"] = {
            "apt.batch": 2 * adapt.apt.batch,
            "ite.batch": 2 * adapt.ite.batch,
            "ite.pool": 2 * adapt.ite.pool,
        }
    names = [f"{domain}-{seed}" for seed in seeds]
    spec["domains"] = {
        name: {**wanted, "seed": seed} for name, seed in zip(names, seeds, strict=True)
    }
    spec["train"] = {**spec.get("train", {}), "num_workers": workers}
    (place / "bank.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    done = BuildJob(place, "--mlflow", "none").finish(timeout_s=3600)
    print(done.stdout, flush=True)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    bank = Bank(str(place / "bank"))
    return [bank.champion(name).metrics for name in names]


def _shown(values: list[float]) -> str:
    return " ".join(f"{value:.3f}" for value in values)


if __name__ == "__main__":
    main()
