"""The gate's luck: rebuilds of an unchanged domain with other seeds, and worse candidates.

    python benchmarks/bm_gate.py --domain zombie --count 21

Adapts a domain of the bank's specification with several seeds in this process, and scores all of
them as a build does. Prints the standard deviation of each metric between rebuilds (`gate.noise`),
the verdicts of the other rebuilds against the first one and against every one of them, and those of
candidates that are really worse: a quarter of the steps, and the champion at other strengths.
"""

import argparse
from collections import Counter
from dataclasses import replace

import numpy as np
import torch

from itportrait.bank.gate import DEFAULT_NOISE, judge
from itportrait.bundle import load_bundle
from itportrait.evaluate import ProbeBase
from itportrait.jobs.bank.scores import ScoreJob, Scores, score_versions
from itportrait.jobs.bank.spec import BankSpec, load_bank_spec
from itportrait.styles import WeightStyle
from itportrait.styles.names import STYLE_FILE
from itportrait.training.domain_job import DomainJob
from itportrait.training.here import adapt_here
from itportrait.training.trained_domain import TrainedDomain

STRENGTHS = (0.5, 1.5)


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--config", default="configs/bank.yaml")
    parser.add_argument("--domain", default="zombie")
    parser.add_argument("--count", type=int, default=21, help="rebuilds, the champion included")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of spec")
    arguments = parser.parse_args()
    spec = load_bank_spec(arguments.config, arguments.set)
    torch.set_num_threads(1)
    steps = spec.domains[arguments.domain].steps
    rebuilds = {
        f"seed {seed}": adapted(spec, arguments.domain, seed, steps)
        for seed in range(arguments.count)
    }
    champion = rebuilds["seed 0"]
    styles = {label: trained.files[STYLE_FILE] for label, trained in rebuilds.items()}
    short = adapted(spec, arguments.domain, arguments.count, max(1, steps // 4))
    styles["a quarter of the steps"] = short.files[STYLE_FILE]
    plain = WeightStyle.from_bytes(champion.files[STYLE_FILE])
    for strength in STRENGTHS:
        styles[f"strength {strength:g}"] = plain.scaled(strength).to_bytes()
    report(spec, scored(spec, champion, styles), list(rebuilds))


def adapted(spec: BankSpec, domain: str, seed: int, steps: int) -> TrainedDomain:
    """Adapt the domain with a seed."""
    changed = spec.domains[domain].model_copy(update={"seed": seed, "steps": steps})
    job = DomainJob.of(
        changed.spec(),
        bundle=spec.base,
        adapt=spec.adapt,
        align=spec.align,
        model_id=load_bundle(spec.base).model_id,
    )
    return adapt_here(job, on_report=lambda report: None)


def scored(spec: BankSpec, champion: TrainedDomain, styles: dict[str, bytes]) -> Scores:
    """Score all styles as a build does."""
    names = sorted(name for name in champion.files if name.startswith("references/"))
    job = ScoreJob(
        bundle=spec.base,
        spec=champion.job.spec,
        references=tuple(champion.files[name] for name in names),
        truth=spec.domains[champion.job.spec.name].truth,
        styles=styles,
        probe=spec.probe,
        draws=spec.gate.draws,
    )
    return score_versions(replace(job, pictures=1), ProbeBase(load_bundle(spec.base), spec.probe))


def report(spec: BankSpec, scores: Scores, rebuilds: list[str]) -> None:
    """Print noise and verdicts."""
    for name in DEFAULT_NOISE:
        values = [
            scores.metrics[label][name] for label in rebuilds if name in scores.metrics[label]
        ]
        if values:
            print(f"{name:18s} mean {np.mean(values):.4f}, noise {np.std(values, ddof=1):.4f}")
    first = rebuilds[0]
    print(
        "against the first:", dict(Counter(verdict(spec, scores, c, first) for c in rebuilds[1:]))
    )
    pairs = [(c, h) for h in rebuilds for c in rebuilds if c != h]
    print("all pairs:", dict(Counter(verdict(spec, scores, c, h) for c, h in pairs)))
    for label in scores.metrics:
        if label not in rebuilds:
            found = Counter(verdict(spec, scores, label, champion) for champion in rebuilds)
            print(f"{label}: {dict(found)}")


def verdict(spec: BankSpec, scores: Scores, candidate: str, champion: str) -> str:
    """Return what the gate says: better, as good, or worse."""
    decision = judge(
        scores.metrics[candidate],
        scores.metrics[champion],
        spec.gate,
        differences=scores.differences(candidate, champion),
    )
    if decision.promote:
        return "better"
    if any(item.regression for item in decision.comparisons):
        return "worse"
    return "as good"


if __name__ == "__main__":
    main()
