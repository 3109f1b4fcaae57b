"""The order of cells, and cells whose adaptation fails: a line and rows with the reason."""

from itportrait.comparison.cells import plan_cells
from itportrait.comparison.compute import CellCompute
from itportrait.comparison.config import parse_comparison
from itportrait.comparison.portraits import PortraitSet
from itportrait.comparison.report import ComparisonReport
from itportrait.comparison.run import ComparisonRun
from itportrait.io.lease import Lease
from tests.helpers.here import HereBackend


class Watched(CellCompute):
    """Keeps the order in which cells are handed in."""

    def submit(self, function, name):
        self.names = [*getattr(self, "names", ()), name]
        return super().submit(function, name)


def test_seeds_go_one_by_one_and_a_failed_adaptation_is_the_reason_of_its_cell(tmp_path):
    output, said = str(tmp_path / "out"), []
    config = parse_comparison(
        {
            "base": str(tmp_path / "absent"),
            "output": output,
            "methods": {"itportrait": {}, "stylegan_nada": {}},
            "domains": {"zombie": {"prompt": "a zombie"}},
            "seeds": [3, 1],
            "adaptation": "tasks",
        }
    )
    compute = Watched(HereBackend(), config, str(tmp_path / "training"))
    portraits = PortraitSet(output, "digest", (0,), 2)
    with Lease(output, what="test") as lease:
        run = ComparisonRun(
            config, plan_cells(config, "model-0"), portraits, lease, compute, said.append
        )
        results = run.run()
    assert [name.split("seed ")[1] for name in compute.names] == ["3", "3", "1", "1"]
    assert len(said) == 4
    assert [result.cell.label for result in results] == ["itportrait"] * 2 + ["stylegan_nada"] * 2
    assert all("no model bundle" in result.reason for result in results)
    assert all("min left" in line for line in said[:-1])

    report = ComparisonReport(config, "model-0", portraits, results, 1.0)
    report.write_tables()
    scores = report.scores()
    assert all(row["value"] is None and "no model bundle" in row["reason"] for row in scores)
    assert report.summary().count("no model bundle") == 4
    assert "\n0 cells computed, 0 kept from an earlier run, 4 without scores\n" in report.summary()
    report.write_run()
