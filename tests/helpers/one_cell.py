"""The only cell of a comparison, with an adaptation that has ended, and nothing computed."""

import dataclasses
from pathlib import Path
from typing import Any

from itportrait.comparison.cells import Cell, plan_cells
from itportrait.comparison.config import ComparisonConfig, parse_comparison
from itportrait.comparison.given import Target
from itportrait.comparison.portraits import PortraitSet
from itportrait.comparison.scoring import CellJob
from itportrait.comparison.style_store import StoredStyle
from itportrait.styles.names import STYLE_FILE
from itportrait.training.domain_job import DomainJob
from itportrait.training.trained_domain import TrainedDomain

MODEL = "model-0"


def one_cell(output: Path, **changes: Any) -> ComparisonConfig:
    """Return a comparison of one method in one domain with one seed."""
    data = {"methods": {"itportrait": {}}, "domains": {"zombie": {"prompt": "a zombie"}}}
    return parse_comparison({"output": str(output), **data, **changes})


def domain_job(config: ComparisonConfig) -> DomainJob:
    """Return the adaptation of the cell."""
    (planned,) = plan_cells(config, MODEL)
    assert planned.job
    return planned.job


def trained(job: DomainJob, style: bytes = b"style") -> TrainedDomain:
    """Return the end of an adaptation, with a style of these bytes."""
    return TrainedDomain(
        job=job, base_model_id=MODEL, metrics={}, info={}, files={STYLE_FILE: style}
    )


def cell_job(config: ComparisonConfig, style: StoredStyle, **changes: Any) -> CellJob:
    """Return the job that scores the cell with a style."""
    job = CellJob(
        cell=Cell("itportrait", "zombie", 0),
        bundle="bundle",
        style=style,
        strength=1.0,
        portraits=PortraitSet(config.output, "digest", (0,), 2),
        target=Target("a zombie", "Photo"),
        align="{}",
        measures="{}",
    )
    return dataclasses.replace(job, **changes)
