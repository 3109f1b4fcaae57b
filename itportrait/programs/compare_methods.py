"""Compare adaptation methods: adapt every domain with each, stylize the same portraits, score all.

    python workflows/compare_methods.py --config configs/compare.yaml --output runs/compare

Run it again and it goes on where it was: what is adapted and scored is not made again, and a
changed method, domain or setting makes only what it touches. What cannot be made is a row with its
reason.

Exit codes: 0 done; 1 at least one cell failed; 2 the call, the configuration or the storage is
wrong; 75 another job holds the output; 130 stopped by Ctrl-C.
"""

import argparse
import os
import time

from itportrait.cli.options import with_key
from itportrait.comparison.cells import plan_cells
from itportrait.comparison.compute import CellCompute
from itportrait.comparison.config import ComparisonConfig, load_comparison
from itportrait.comparison.portraits import prepare_portraits, require_photos
from itportrait.comparison.report import RUN, ComparisonReport
from itportrait.comparison.run import ComparisonRun
from itportrait.comparison.show import write_page
from itportrait.comparison.tracking import track_comparison
from itportrait.configuration.places import refuse_temporary, runs_folder
from itportrait.io import uris
from itportrait.io.lease import Lease
from itportrait.jobs.endings import EXIT_FAILED, run_job
from itportrait.jobs.model_id import find_model_id, require_bundle
from itportrait.on_ray.backend import RayBackend
from itportrait.on_ray.session import ray_session, stop_on_sigterm
from itportrait.on_ray.shared_places import check_shared
from itportrait.tracking import check_uri
from itportrait.training.domain_job import training_storage


def main(arguments: list[str] | None = None) -> int:
    """Run one comparison and return its exit code."""
    args = parse(arguments)

    def start() -> int:
        changes = with_key(args.set, "base", args.bundle)
        config = load_comparison(args.config, changes, output=args.output)
        if args.mlflow not in ("", "none"):
            check_uri(args.mlflow)
        places = config.places() | {"--mlflow": args.mlflow}
        refuse_temporary(places)
        require_bundle(config.base)
        require_photos(config)
        with (
            stop_on_sigterm(),
            Lease(config.output, what="compare_methods") as lease,
            ray_session(args.address),
        ):
            check_shared(places)
            return compare(config, args.mlflow, lease)

    return run_job(start)


def compare(config: ComparisonConfig, mlflow: str, lease: Lease) -> int:
    """Portraits -> cells -> adapt and score each -> tables, page, tracked runs -> table."""
    began, backend = time.monotonic(), RayBackend()
    known = uris.read_json(uris.join(config.output, RUN)) or {}
    model_id = find_model_id(config.base, config.invert, known, backend.executor())
    portraits = prepare_portraits(config, model_id, backend, lease)
    cells = plan_cells(config, model_id)
    compute = CellCompute(backend, config, training_storage(config.output))
    run = ComparisonRun(config, cells, portraits, lease, compute)
    results = run.run()
    report = ComparisonReport(config, model_id, portraits, results, time.monotonic() - began)
    if not report.stands():
        report.write_tables()
        write_page(report, compute, run.targets)
        report.write_run()
    if not report.is_tracked(mlflow):
        backlog = track_comparison(report, mlflow)
        report.write_run(tracking=report.tracking_data(mlflow, backlog))
    print(report.summary(), flush=True)
    return EXIT_FAILED if report.failed else 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    mlflow = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{runs_folder()}/mlflow.db"
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    add = parser.add_argument
    add("--config", required=True, help="YAML of the comparison: configs/compare.yaml")
    add("--output", default="", help="folder or URI to write; a later run goes on there")
    add("--bundle", default="", help="base model: mini, a folder or a URI")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="portraits=mini:16")
    add("--address", default=None, help="Ray: auto, host:port; absent: embedded")
    add("--mlflow", default=mlflow, help="tracking URI, or none")
    return parser.parse_args(arguments)
