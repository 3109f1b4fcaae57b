"""What a killed run has left goes with the next one, and what stands stays."""

import dataclasses
from pathlib import Path

import pytest

from itportrait.comparison.cells import plan_cells
from itportrait.comparison.compute import CellCompute
from itportrait.comparison.measures import Fit
from itportrait.comparison.portraits import PortraitSet
from itportrait.comparison.run import ComparisonRun
from itportrait.comparison.scoring import CellScores, fits_file, write_fits
from itportrait.errors import LeaseHeldError
from itportrait.io import uris
from itportrait.io.lease import Lease
from tests.helpers.here import HereBackend
from tests.helpers.one_cell import MODEL, domain_job, one_cell, trained
from tests.helpers.taken_over import take_over


@pytest.fixture
def lease(tmp_path):
    with Lease(str(tmp_path), what="test", ttl_s=0.2) as lease:
        yield lease


@pytest.fixture
def run(tmp_path, lease):
    """Return a comparison whose only cell stands."""
    config = one_cell(tmp_path)
    compute = CellCompute(HereBackend(), config, str(tmp_path / "_training"))
    portraits = PortraitSet(config.output, "digest", (0,), 2)
    cells = plan_cells(config, MODEL)
    run = ComparisonRun(config, cells, portraits, lease, compute, lambda text: None)
    job = standing_job(run)
    part = job.part(0)
    uris.put_bytes(part, b"part")
    scores = CellScores(job.fingerprint, {}, {}, [part.rpartition("/")[2]])
    uris.put_bytes(f"{job.folder}/cell.json", uris.to_json(dataclasses.asdict(scores)))
    write_fits(job, 0, {"a": Fit(b"fit", 1.0)})
    return run


def standing_job(run):
    """Return the job that has scored the cell."""
    (planned,) = run.cells
    style = run.compute.styles.find(planned.job.run_name)
    return run._cell_job(planned, style or run.compute.styles.put(trained(planned.job)))


def files(folder):
    """Return the files below a folder, without those of the lease."""
    found = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return {name for name in found if not name.startswith("_lease")}


def litter(run):
    """Leave what a killed run may leave, and return what stood before."""
    output, job = Path(run.config.output), standing_job(run)
    before = files(output)
    for name in (
        f"{job.folder}/part-00000-0123456789abcdef.parquet",
        f"{job.folder}/.part-00000-0123456789abcdef.parquet.01234567.tmp",
        fits_file(job, 0).replace("part-00000", "part-00001"),
        f"{output}/.index.html.01234567.tmp",
        f"{output}/scores/.part-00000.parquet.01234567.tmp",
    ):
        uris.put_bytes(name, b"half")
    return before


def test_a_cell_that_stands_keeps_its_files_and_no_others(run, tmp_path):
    before = litter(run)
    (result,) = run.run()
    assert (result.computed, result.reason) == (False, "")
    assert files(tmp_path) == before


def test_nothing_is_removed_when_the_lease_is_lost(run, lease, tmp_path):
    litter(run)
    littered = files(tmp_path)
    take_over(lease)
    with pytest.raises(LeaseHeldError):
        run.run()
    assert files(tmp_path) == littered


def test_checkpoints_of_a_style_that_stands_are_removed(run, lease, tmp_path):
    (planned,) = run.cells
    uris.put_bytes(str(tmp_path / "_training" / planned.job.run_name / "state.pt"), b"state")
    before = files(tmp_path)
    style = run.compute.style(planned.job, lease)
    assert style == run.compute.styles.find(planned.job.run_name)
    assert run.compute.backend.trained == []
    assert {name for name in before if "_training" in name}
    assert files(tmp_path) == {name for name in before if "_training" not in name}


def test_a_style_that_is_adapted_again_has_no_file_of_the_former(run, tmp_path):
    (planned,) = run.cells
    folder = tmp_path / "styles" / planned.job.run_name
    before = files(folder)
    uris.put_bytes(str(folder / "references/001.png"), b"picture")
    (folder / "adapter.safetensors").write_bytes(b"half")
    run.compute.styles.put(trained(domain_job(run.config)))
    assert files(folder) == before
