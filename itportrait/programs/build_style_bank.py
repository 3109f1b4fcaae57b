"""Build a style bank: adapt the domains that changed, judge them, publish what is good enough."""

import datetime as dt
from contextlib import nullcontext

from itportrait.align.networks import require_networks
from itportrait.bank.store import Bank
from itportrait.bundle import load_bundle
from itportrait.configuration.laying import with_key
from itportrait.configuration.places import refuse_temporary
from itportrait.io import uris
from itportrait.io.lease import Lease
from itportrait.jobs.bank.build import BankBuild, BuildReport
from itportrait.jobs.bank.compute import BackendCompute
from itportrait.jobs.bank.models import BankModels
from itportrait.jobs.bank.plan import check_date, plan_build
from itportrait.jobs.bank.spec import load_bank_spec
from itportrait.on_ray.backend import RayBackend
from itportrait.on_ray.counters import count_domain
from itportrait.on_ray.session import ray_session, stop_on_sigterm
from itportrait.on_ray.shared_places import check_shared
from itportrait.programs.calls import BuildCall
from itportrait.terminal import Working, still_terminal
from itportrait.tracking import check_uri, close_tracking, open_tracker
from itportrait.training.domain_job import training_storage
from itportrait.training.vetting import said_of

WAIT_S = 12 * 3600.0


def run(call: BuildCall, working: Working) -> int:
    """Build; the domains that are done stay when the job is stopped."""
    with stop_on_sigterm():
        return build(call, working)


def build(call: BuildCall, working: Working) -> int:
    """Specification -> what changed -> train, score, gate, publish each -> table."""
    spec = load_bank_spec(call.config, with_key(call.set_, "base", call.bundle))
    spec.check_names(call.domains)
    date = check_date(call.date or dt.date.today().isoformat())
    if call.mlflow not in ("", "none"):
        check_uri(call.mlflow)
    bank = Bank(uris.absolute(call.bank))
    places = {"--bank": bank.uri, "--mlflow": call.mlflow, **spec.places()}
    refuse_temporary(places)
    model_id = load_bundle(spec.base).model_id
    uris.check_place(bank.uri, "--bank")
    chosen = [spec.domains[name] for name in call.domains or spec.domains]
    if any(domain.references for domain in chosen):
        require_networks(spec.align, spec.base)
    what = f"build_style_bank {date}"
    wait_s = WAIT_S if call.wait else 0.0
    working.now("waiting for the bank" if call.wait else "looking at the bank")
    with Lease(bank.uri, what=what, wait_s=wait_s) as lease:
        working.now("looking at models and domains")
        plan = plan_build(
            spec,
            bank,
            model_id=model_id,
            date=date,
            tracking_uri=call.mlflow,
            only=call.domains,
            strict=call.strict,
        )
        for warning in said_of({job.spec.name: job.warnings for job in plan.jobs}):
            working.line(f"warning: {warning}")
        if plan.jobs and (begun := bank.beginning()):
            working.line(begun)
        # A night without changes starts no Ray at all.
        session = ray_session(call.address) if plan.jobs else nullcontext()
        working.now("building the bank")
        name, tags = f"bank-{plan.bank_id}", {"date": date, "kind": "build"}
        with session, open_tracker(call.mlflow, name, tags=tags) as tracker:
            compute = None
            if plan.jobs:
                check_shared(places)
                storage = training_storage(bank.uri)
                compute = BackendCompute(RayBackend(), spec.train, storage, show=working.beside)
            models = BankModels(bank, call.mlflow)
            build = BankBuild(
                spec,
                plan,
                bank,
                tracker,
                lease,
                compute,
                models=models,
                count=count_domain,
                on_done=working.step,
            )
            report = build.run()
            with still_terminal():
                print(table(report), flush=True)
            if report.exit_code:
                tracker.finish("FAILED")
            working.now("writing what is tracked")
        backlog = close_tracking(tracker, call.mlflow)  # what workers could not send, too
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
