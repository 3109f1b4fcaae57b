"""Adaptation of the domains of a configuration, against the truth of the drawn world.

    python benchmarks/bm_domains.py --config configs/demo.yaml --domain zombie --sheet zombie.png
    python benchmarks/bm_domains.py --domain clown --set steps=120 --set options.apt.l2=1

Adapts in this process (no Ray), then scores the result on the probe set. KID is that to true
renders of the domain by the procedural renderer, relative to the unadapted generator's. The bars:
KID ratio at most 0.5, identity at least 0.5, depth variance at least 0.7; with a prompt a direction
of at least 0.3, with a picture a gain of at least 0.1.
"""

import argparse
import logging
import time
from pathlib import Path

import numpy as np
import torch

from itportrait.adapt import DomainSpec, adapt_domain
from itportrait.bundle import load_bundle
from itportrait.config import apply_overrides
from itportrait.evaluate import EvaluationProbeConfig, ProbeBase
from itportrait.image import encode, to_uint8
from itportrait.jobs.bank.scores import ScoreJob, score_versions, truth_images
from itportrait.jobs.stylize.config import JobConfig, load_job
from itportrait.pages import contact_sheet
from itportrait.training.domain_job import read_references
from itportrait.training.preparation import reference_images

BARS = {
    "kid_ratio": (None, 0.5),
    "identity": (0.5, None),
    "depth_variance": (0.7, None),
    "clip_direction": (0.3, None),
    "clip_image_gain": (0.1, None),
}
"""Least and largest value."""


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--config", default="configs/demo.yaml")
    parser.add_argument("--domain", action="append", help="default: all of the configuration")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of the domain")
    parser.add_argument("--adapt", action="append", default=[], help="KEY=VALUE of `adapt`")
    parser.add_argument("--bundle", help="default: the configuration's")
    parser.add_argument("--kid-count", type=int, default=96)
    parser.add_argument("--sheet", help="write base, result and truth of some probe faces")
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    config = load_job(arguments.config, [f"adapt.{item}" for item in arguments.adapt], required=())
    bundle = load_bundle(arguments.bundle or config.bundle)
    probe = EvaluationProbeConfig(kid_count=arguments.kid_count)
    lines, names = [], []
    for given in config.domains:
        if isinstance(given, DomainSpec) and given.name in (arguments.domain or [given.name]):
            spec = DomainSpec.parse(
                apply_overrides(given.model_dump(mode="json"), arguments.set), source="--set"
            )
            rows = measure(bundle, spec, config, probe)
            lines += rows
            names += [f"{spec.name}: base", "adapted", "truth"]
    if arguments.sheet and lines:
        Path(arguments.sheet).write_bytes(
            encode(contact_sheet(lines, columns=[""] * len(lines[0]), names=names))
        )


def measure(bundle, spec: DomainSpec, config: JobConfig, probe: EvaluationProbeConfig) -> list:
    """Adapt, score and print a domain; return rows of pictures: base, adapted, truth."""
    references = reference_images(spec.references, read_references(spec), bundle, config.align)
    began, cpu = time.perf_counter(), time.process_time()
    result = adapt_domain(bundle, spec, config.adapt, references=references or None)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    job = ScoreJob(
        bundle=config.bundle,
        spec=spec,
        references=tuple(encode(reference.pixels) for reference in references),
        truth=f"mini:{spec.name}",
        styles={"adapted": result.style.to_bytes()},
        probe=probe,
        pictures=8,
    )
    scores = score_versions(job, ProbeBase(bundle, probe))
    figures = scores.metrics["adapted"]
    steps = f"step {result.step} of {spec.steps}"
    print(f"{spec.name} ({spec.mode}): {steps}, {seconds:.0f} s, {cpu:.0f} CPU s")
    for name, value in figures.items():
        low, high = BARS.get(name, (None, None))
        missed = (low is not None and value < low) or (high is not None and value > high)
        bar = f"(bar {low if high is None else high})" if name in BARS else ""
        print(f"  {name:18s} {value:8.4f} {bar}{' MISSED' if missed else ''}")
    truth = truth_images(job.truth, probe, bundle.generator.image_resolution)
    assert truth is not None
    true = list(to_uint8(truth[: job.pictures]))
    return [scores.faces["base"], scores.faces["adapted"], [np.asarray(item) for item in true]]


if __name__ == "__main__":
    main()
