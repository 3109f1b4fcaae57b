"""Compare adaptation methods: adapt every domain with each, and score all on the same portraits."""

import time

from itportrait.align.networks import require_networks
from itportrait.comparison.cells import plan_cells
from itportrait.comparison.compute import CellCompute
from itportrait.comparison.config import ComparisonConfig, load_comparison
from itportrait.comparison.portraits import prepare_portraits, require_photos
from itportrait.comparison.report import RUN, ComparisonReport, final_table
from itportrait.comparison.run import ComparisonRun
from itportrait.comparison.show import write_page
from itportrait.comparison.tracking import track_comparison
from itportrait.configuration.laying import with_key
from itportrait.configuration.places import refuse_temporary
from itportrait.io import uris
from itportrait.io.lease import Lease
from itportrait.jobs.endings import EXIT_FAILED
from itportrait.jobs.model_id import find_model_id, require_bundle
from itportrait.on_ray.backend import RayBackend
from itportrait.on_ray.session import is_embedded, ray_session, stop_on_sigterm
from itportrait.on_ray.shared_places import check_shared
from itportrait.programs.calls import CompareCall
from itportrait.terminal import Working, make_console, still_terminal
from itportrait.tracking import check_uri
from itportrait.training.domain_job import training_storage


def run(call: CompareCall, working: Working) -> int:
    """Configuration -> what can be checked before any work -> Ray -> the comparison."""
    changes = with_key(call.set_, "base", call.bundle)
    config = load_comparison(call.config, changes, output=call.output)
    if call.mlflow not in ("", "none"):
        check_uri(call.mlflow)
    places = config.places() | {"--mlflow": call.mlflow}
    refuse_temporary(places)
    require_bundle(config.base)
    require_photos(config)
    uris.check_place(config.output, "--output")
    if is_embedded(call.address):
        require_networks(config.align, config.base)
    with (
        stop_on_sigterm(),
        Lease(config.output, what="compare_methods") as lease,
        ray_session(call.address),
    ):
        check_shared(places)
        return compare(config, call.mlflow, lease, working)


def compare(config: ComparisonConfig, mlflow: str, lease: Lease, working: Working) -> int:
    """Portraits -> cells -> adapt and score each -> tables, page, tracked runs -> table."""
    began, backend = time.monotonic(), RayBackend()
    known = uris.read_json(uris.join(config.output, RUN)) or {}
    working.now("looking at the models")
    model_id = find_model_id(config.base, config.invert, known, backend.executor())
    working.now("preparing portraits")
    portraits = prepare_portraits(config, model_id, backend, lease)
    working.now("looking at methods and domains")
    cells = plan_cells(config, model_id)
    compute = CellCompute(backend, config, training_storage(config.output), show=working.beside)
    working.now("comparing")
    run = ComparisonRun(config, cells, portraits, lease, compute, on_done=working.step)
    results = run.run()
    report = ComparisonReport(config, model_id, portraits, results, time.monotonic() - began)
    working.now("writing tables and page")
    if not report.stands():
        report.write_tables()
        write_page(report, compute, run.targets)
        report.write_run()
    working.now("writing what is tracked")
    if not report.is_tracked(mlflow):
        backlog = track_comparison(report, mlflow)
        report.write_run(tracking=report.tracking_data(mlflow, backlog))
    with still_terminal():
        make_console().print(final_table(report.scores()))
        print(report.summary(), flush=True)
    return EXIT_FAILED if report.failed else 0
