"""A comparison that takes seconds: the tiny bundle, two drawn people, two steps a method."""

from pathlib import Path
from typing import Any

from itportrait.bundle import load_bundle
from itportrait.comparison.cells import plan_cells
from itportrait.comparison.compute import CellCompute
from itportrait.comparison.config import ComparisonConfig, parse_comparison
from itportrait.comparison.portraits import prepare_portraits
from itportrait.comparison.report import ComparisonReport
from itportrait.comparison.run import ComparisonRun
from itportrait.comparison.show import write_page
from itportrait.config import merge
from itportrait.io.lease import Lease
from itportrait.training.domain_job import training_storage
from tests.helpers.here import HereBackend

REFERENCES = Path(__file__).parents[2] / "configs" / "references"
ADAPT = {
    "pair": {"steps": 2},
    "probe": {"every": 2, "count": 2, "images": 1},
    "threshold": {"value": "auto", "auto_steps": 1},
}


def small_comparison(bundle: Path, output: Path, **changes: Any) -> dict[str, Any]:
    """Return the content of a configuration."""
    data = {
        "base": str(bundle),
        "output": str(output),
        "portraits": "mini:2",
        "portraits_per_task": 1,
        "methods": {"itportrait": {}, "words": {"method": "itportrait", "mode": "text"}},
        "defaults": {"steps": 2},
        "domains": {
            "zombie": {"prompt": "a zombie", "truth": "mini:zombie"},
            "bronze": {"references": [str(REFERENCES / "bronze.png")]},
        },
        "align": {"size": 64},
        "invert": {"steps": 1, "statistics_samples": 64},
        "adapt": ADAPT,
        "measures": {"truth_count": 4, "kid_subsets": 2, "kid_subset_size": 4},
        "adaptation": "tasks",
    }
    return merge(data, changes)


def compare_here(data: dict[str, Any], backend: HereBackend | None = None) -> ComparisonReport:
    """Run a comparison in this process; its tables and its page are written."""
    config: ComparisonConfig = parse_comparison(data)
    backend = backend or HereBackend()
    model_id = load_bundle(config.base).model_id
    with Lease(config.output, what="test") as lease:
        portraits = prepare_portraits(config, model_id, backend, lease)
        compute = CellCompute(backend, config, training_storage(config.output))
        cells = plan_cells(config, model_id)
        run = ComparisonRun(config, cells, portraits, lease, compute, say=lambda text: None)
        report = ComparisonReport(config, model_id, portraits, run.run(), 1.0)
        if not report.stands():
            report.write_tables()
            write_page(report, compute, run.targets)
            report.write_run()
    return report
