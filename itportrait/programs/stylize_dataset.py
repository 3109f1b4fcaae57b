"""The main job: photos -> aligned -> inverted -> stylized in every domain, and none lost.

    python workflows/stylize_dataset.py --config configs/demo.yaml
    python workflows/stylize_dataset.py --config configs/ffhq512.yaml \
        --input s3://bucket/photos --output s3://bucket/out --bank s3://bucket/bank \
        --domains bronze,zombie --set ingest.shard_size=256

Run it again and it goes on where it was: what is committed is not computed again. Bad inputs are
rows with their reason, not errors.

Exit codes: 0 done; 1 a domain could not be adapted; 2 the call, the configuration or the storage is
wrong; 75 another job holds the output; 130 stopped by Ctrl-C.
"""

import argparse
import sys
from contextlib import ExitStack

from itportrait.cli.options import with_key
from itportrait.engine.progress import Progress
from itportrait.errors import ItportraitError
from itportrait.io import uris
from itportrait.io.lease import Lease
from itportrait.jobs.endings import EXIT_FAILED, run_job, sentence
from itportrait.jobs.stylize.config import JobConfig, load_job
from itportrait.jobs.stylize.domains import check_domains
from itportrait.jobs.stylize.job import StylizeJob
from itportrait.jobs.stylize.publish import deliver_files, publish_pages
from itportrait.jobs.stylize.run_report import known_model_id, write_run
from itportrait.jobs.stylize.summary import print_summary
from itportrait.on_ray.backend import RayBackend
from itportrait.on_ray.session import ray_session, stop_on_sigterm
from itportrait.on_ray.shared_places import check_shared
from itportrait.stages.shards import started
from itportrait.terminal import Working, make_console


def main(arguments: list[str] | None = None) -> int:
    """Run one job and return its exit code."""
    args = parse(arguments)
    return run_job(lambda: start(args))


def start(args: argparse.Namespace) -> int:
    """Configuration -> Ray -> the job, run or only planned."""
    config = load_job(
        args.config,
        with_key(args.set, "tracking.uri", args.mlflow),
        domains=args.domains,
        input=args.input,
        output=args.output,
        bank=args.bank,
        bundle=args.bundle,
    )
    check_domains(config)
    with stop_on_sigterm(), ExitStack() as session:
        with Working("starting Ray") as working:
            session.enter_context(ray_session(args.address, num_cpus=config.resources.num_cpus))
            working.now("looking at models and domains")
            job = prepare(config, args)
            for line in job.said_before():
                working.line(line)
        return show_plan(job) if args.dry_run else run(job)


def prepare(config: JobConfig, args: argparse.Namespace) -> StylizeJob:
    """Places that all nodes see -> the models' id -> the domains, each found or looked at."""
    if not args.dry_run:  # which writes nothing
        check_shared(config.places())
    backend = RayBackend()
    model_id = known_model_id(config, backend.executor())
    retry_failed = args.retry == "failed"
    return StylizeJob(config, model_id, backend, retry_failed=retry_failed, strict=args.strict)


def run(job: StylizeJob) -> int:
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
        with Working("writing pages, videos and files"):
            page = publish_pages(job)
            files = deliver_files(job, lease.check)
            job.tracking.close()
            report = write_run(job, "finished" if not job.failed_domains() else "domains failed")
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
    console.print(f"{job.totals.listed} inputs in {job.totals.shards} shards")
    if job.skipped.counts:
        console.print(job.skipped)
    for name, done in plan.done.items():
        console.print(f"{name}: {done} shards done, {plan.to_compute[name]} to compute")
    for domain in job.domains:
        if domain.recipe is None:
            console.print(f"domain {domain.name}: not in the bank; first of all: {domain.doing}")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    add = parser.add_argument
    add("--config", required=True, help="YAML of the job: configs/demo.yaml")
    add("--input", default="", help="folder, glob, list, table or tar shards of photos")
    add("--output", default="", help="folder or URI to write; a later run goes on there")
    add("--bank", default="", help="style bank: adapters are taken from it and published to it")
    add("--domains", type=lambda text: text.split(","), default=None, help="only these: a,b")
    add("--bundle", default="", help="base model: mini, a folder or a URI")
    add("--mlflow", default="", help="tracking URI, or none; absent: tracking.uri")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="ingest.shard_size=4")
    add("--address", default=None, help="Ray: auto, host:port; absent: embedded")
    add("--dry-run", action="store_true", help="print what would be done")
    add("--strict", action="store_true", help="refuse domains of which there is a warning")
    add("--retry", choices=("failed",), default=None, help="compute failed records again")
    return parser.parse_args(arguments)
