"""A comparison whose output another job has taken over ends, and leaves the other's files alone."""

from pathlib import Path

import pytest

from itportrait.comparison.cells import plan_cells
from itportrait.comparison.compute import CellCompute
from itportrait.comparison.portraits import PortraitSet
from itportrait.comparison.run import ComparisonRun
from itportrait.comparison.style_store import StyleStore
from itportrait.errors import LeaseHeldError
from itportrait.io import uris
from itportrait.io.lease import Lease
from tests.helpers.here import HereBackend
from tests.helpers.one_cell import MODEL, cell_job, domain_job, one_cell, trained
from tests.helpers.taken_over import take_over


class TakenOver(HereBackend):
    """Adaptations end at once, and another job takes the output over while they run."""

    def __init__(self, lease):
        super().__init__()
        self.lease = lease

    def train(self, job, train, *, storage):
        """Lose the lease."""
        self.trained.append(job.spec.name)
        take_over(self.lease)
        return trained(job)


@pytest.fixture
def lease(tmp_path):
    with Lease(str(tmp_path), what="test", ttl_s=0.2) as lease:
        yield lease


def run(config, lease, backend):
    """Run a comparison without portraits."""
    compute = CellCompute(backend, config, uris.join(config.output, "_training"))
    portraits = PortraitSet(config.output, "digest", (), 2)
    cells = plan_cells(config, MODEL)
    return ComparisonRun(config, cells, portraits, lease, compute, lambda text: None).run()


def test_nothing_is_begun_for_a_cell(lease, tmp_path):
    backend = TakenOver(lease)
    take_over(lease)
    with pytest.raises(LeaseHeldError, match="thief"):
        run(one_cell(tmp_path), lease, backend)
    assert backend.trained == []


def test_an_adaptation_that_ends_too_late_is_not_kept(lease, tmp_path):
    domains = {"zombie": {"prompt": "a zombie"}, "elf": {"prompt": "an elf"}}
    backend = TakenOver(lease)
    with pytest.raises(LeaseHeldError, match="thief"):
        run(one_cell(tmp_path, domains=domains), lease, backend)
    assert len(backend.trained) == 1  # the other cell was not begun
    assert not Path(tmp_path, "styles").exists()


def test_a_cell_is_not_marked(lease, tmp_path):
    config = one_cell(tmp_path)
    style = StyleStore(config.output).put(trained(domain_job(config)))
    job = cell_job(config, style, portraits=PortraitSet(config.output, "digest", (), 2))
    compute = CellCompute(TakenOver(lease), config, uris.join(config.output, "_training"))
    take_over(lease)
    with pytest.raises(LeaseHeldError, match="thief"):
        compute.score_cell(job, lease)
    assert not Path(tmp_path, "cells").exists()
