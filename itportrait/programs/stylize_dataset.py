"""The main job: photos -> aligned -> inverted -> stylized in every domain, and none lost."""

import sys

from itportrait.align.networks import require_face_mesh
from itportrait.configuration.laying import with_key
from itportrait.engine.progress import Progress
from itportrait.errors import ItportraitError
from itportrait.execution.errands import run_patiently
from itportrait.execution.executor import Call
from itportrait.io import uris
from itportrait.io.lease import Lease
from itportrait.jobs.endings import EXIT_FAILED, sentence
from itportrait.jobs.stylize.beforehand import aligns, check_beforehand
from itportrait.jobs.stylize.config import JobConfig, load_job
from itportrait.jobs.stylize.job import StylizeJob
from itportrait.jobs.stylize.publish import deliver_files, publish_pages
from itportrait.jobs.stylize.run_report import known_model_id, write_run
from itportrait.jobs.stylize.summary import print_summary
from itportrait.on_ray.backend import RayBackend
from itportrait.on_ray.session import is_client, is_embedded, ray_session, stop_on_sigterm
from itportrait.on_ray.shared_places import check_shared
from itportrait.programs.calls import StylizeCall
from itportrait.stages.shards import started
from itportrait.terminal import Working, make_console, still_terminal


def run(call: StylizeCall, working: Working) -> int:
    """Configuration -> Ray -> the job, worked through or only planned."""
    config = load_job(
        call.config,
        with_key(call.set_, "tracking.uri", call.mlflow),
        domains=call.domains,
        input=call.input,
        output=call.output,
        bank=call.bank,
        bundle=call.bundle,
    )
    working.now("looking at the configuration")
    check_beforehand(
        config,
        works_here=is_embedded(call.address),
        bundle_here=not is_client(call.address),
        writes=not call.dry_run,
    )
    with stop_on_sigterm(), ray_session(call.address, num_cpus=config.resources.num_cpus):
        working.now("looking at models and domains")
        job = prepare(config, call)
        for line in job.said_before():
            working.line(line)
        working.now("looking at the photos")
        return show_plan(job) if call.dry_run else work(job, working)


def prepare(config: JobConfig, call: StylizeCall) -> StylizeJob:
    """Places that all nodes see -> the models' id -> the domains, each found or looked at."""
    if not call.dry_run:  # which writes nothing
        check_shared(config.places())
    backend = RayBackend()
    dense = config.align.camera_points == "dense" and aligns(config)
    if dense and not is_embedded(call.address):  # else this machine was asked before
        args = (config.align,)
        task = Call(function=require_face_mesh, args=args, name="face mesh", num_cpus=0.1)
        run_patiently(backend.executor(), task)
    model_id = known_model_id(config, backend.executor())
    return StylizeJob(config, model_id, backend, retry_failed=call.retry_failed, strict=call.strict)


def work(job: StylizeJob, working: Working) -> int:
    """List -> shards -> align, invert, stylize -> gallery, files -> report -> tables."""
    settings = job.config.resources
    lease = Lease(
        job.config.output,
        what="stylize_dataset",
        ttl_s=settings.lease_ttl_s,
        wait_s=settings.lease_wait_s,
    )
    shards = started(job.shards())  # where there is no input, nothing is written
    with lease:
        with Progress(job.totals) as progress:
            job.pipeline(progress, lease).run(shards)
        working.now("writing pages, videos and files")
        page = publish_pages(job)
        files = deliver_files(job, lease.check)
        working.now("writing what is tracked, and the report")
        job.tracking.close()
        report = write_run(job, "finished" if not job.failed_domains() else "domains failed")
    with still_terminal():
        print_summary(job)
        if page:
            print(f"Gallery: {page}")
        if files:
            print(f"Deliverables: {uris.redact(files)}")
        print(f"Report: {uris.redact(report)}")
        try:
            job.raise_failed_domains()
        except ItportraitError as error:
            print(sentence(error), file=sys.stderr)
            return EXIT_FAILED
    return 0


def show_plan(job: StylizeJob) -> int:
    """Print what a run would find done and what it would compute; write nothing."""
    plan = job.pipeline().plan(job.shards())
    console = make_console(soft_wrap=True)
    with still_terminal():
        console.print(f"{job.totals.listed} inputs in {job.totals.shards} shards")
        if job.skipped.counts:
            console.print(job.skipped)
        for name, done in plan.done.items():
            console.print(f"{name}: {done} shards done, {plan.to_compute[name]} to compute")
        for domain in job.domains:
            if domain.recipe is None:
                console.print(
                    f"domain {domain.name}: not in the bank; first of all: {domain.doing}"
                )
    return 0
