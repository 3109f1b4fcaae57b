"""Build a style bank: adapt the domains that changed, judge them, publish what is good enough.

    python workflows/build_style_bank.py --config configs/bank.yaml --bank runs/bank

Exit codes: 0 done; 1 at least one domain failed; 2 the call or the specification is wrong;
75 another build holds the bank; 130 stopped by Ctrl-C.
"""

import argparse
import datetime as dt
import os
import sys
from contextlib import nullcontext

from itportrait.bank.store import Bank
from itportrait.bundle import load_bundle
from itportrait.cli.options import FormerOption, with_key
from itportrait.configuration.places import refuse_temporary, runs_folder
from itportrait.io import uris
from itportrait.io.lease import Lease
from itportrait.jobs.bank.build import BankBuild, BuildReport
from itportrait.jobs.bank.compute import BackendCompute
from itportrait.jobs.bank.models import BankModels
from itportrait.jobs.bank.plan import check_date, plan_build
from itportrait.jobs.bank.spec import load_bank_spec
from itportrait.jobs.endings import run_job
from itportrait.on_ray.backend import RayBackend
from itportrait.on_ray.counters import count_domain
from itportrait.on_ray.session import ray_session, stop_on_sigterm
from itportrait.on_ray.shared_places import check_shared
from itportrait.tracking import check_uri, close_tracking, open_tracker
from itportrait.training.domain_job import training_storage
from itportrait.training.vetting import said_of

WAIT_S = 12 * 3600.0


def main(arguments: list[str] | None = None) -> int:
    """Run one build and return its exit code."""
    args = parse(arguments)

    def start() -> int:
        with stop_on_sigterm():
            return build(args)

    return run_job(start)


def build(args: argparse.Namespace) -> int:
    """Specification -> what changed -> train, score, gate, publish each -> table."""
    spec = load_bank_spec(args.config, with_key(args.set, "base", args.bundle))
    spec.check_names(args.domains)
    date = check_date(args.date)
    if args.mlflow not in ("", "none"):
        check_uri(args.mlflow)
    bank = Bank(uris.absolute(args.bank))
    places = {"--bank": bank.uri, "--mlflow": args.mlflow, **spec.places()}
    refuse_temporary(places)
    model_id = load_bundle(spec.base).model_id
    what = f"build_style_bank {date}"
    wait_s = WAIT_S if args.if_busy == "wait" else 0.0
    with Lease(bank.uri, what=what, wait_s=wait_s) as lease:
        plan = plan_build(
            spec,
            bank,
            model_id=model_id,
            date=date,
            tracking_uri=args.mlflow,
            only=args.domains,
            strict=args.strict,
        )
        for warning in said_of({job.spec.name: job.warnings for job in plan.jobs}):
            print(f"warning: {warning}", file=sys.stderr, flush=True)
        if plan.jobs and (begun := bank.beginning()):
            print(begun, file=sys.stderr, flush=True)
        # A night without changes starts no Ray at all.
        session = ray_session(args.address) if plan.jobs else nullcontext()
        name, tags = f"bank-{plan.bank_id}", {"date": date, "kind": "build"}
        with session, open_tracker(args.mlflow, name, tags=tags) as tracker:
            compute = None
            if plan.jobs:
                check_shared(places)
                storage = training_storage(bank.uri)
                compute = BackendCompute(RayBackend(), spec.train, storage)
            models = BankModels(bank, args.mlflow)
            build = BankBuild(
                spec, plan, bank, tracker, lease, compute, models=models, count=count_domain
            )
            report = build.run()
            print(table(report), flush=True)
            if report.exit_code:
                tracker.finish("FAILED")
        backlog = close_tracking(tracker, args.mlflow)  # what workers could not send, too
        if backlog:
            print(f"Tracking: {backlog}", flush=True)
    return report.exit_code


def table(report: BuildReport) -> str:
    """Return the final table, one line a domain."""
    names = ("clip_direction", "clip_image", "identity", "depth_variance", "kid_ratio")
    head = f"{'domain':<16}{'outcome':<12}{'version':<22}"
    lines = [head + "".join(f"{name:>16}" for name in names) + f"{'seconds':>10}"]
    for result in report.results:
        metrics = result.metrics or {}
        values = [f"{metrics[name]:.3f}" if name in metrics else "-" for name in names]
        line = f"{result.domain:<16}{result.outcome:<12}{result.version or '-':<22}"
        lines.append(
            line + "".join(f"{value:>16}" for value in values) + f"{result.seconds:>10.0f}"
        )
    lines += [
        f"{r.domain}: {r.reason}" for r in report.results if r.reason and r.outcome == "failed"
    ]
    return "\n".join([*lines, f"{report.plan.bank_id}: {report.seconds:.0f} s"])


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    mlflow = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{runs_folder()}/mlflow.db"
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    add = parser.add_argument
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--config", help="YAML of the bank: configs/bank.yaml")
    given.add_argument("--spec", dest="config", action=FormerOption, now="--config")
    add("--bank", required=True, help="folder or URI of the bank")
    add("--date", default=dt.date.today().isoformat(), help="names the build and its versions")
    add("--domains", type=lambda text: text.split(","), default=[], help="only these: a,b")
    add("--bundle", default="", help="base model: mini, a folder or a URI")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="defaults.steps=40")
    add("--address", default=None, help="Ray: auto, host:port; absent: embedded")
    add("--mlflow", default=mlflow, help="tracking URI, or none")
    add("--strict", action="store_true", help="refuse to train domains with a warning")
    add("--if-busy", choices=("leave", "wait"), default="leave", help="another build is running")
    return parser.parse_args(arguments)
