"""Inputs of every kind through listing and the align stage: one row or one count for each."""

from collections import Counter
from pathlib import Path

import pytest

from itportrait.engine.local import run_stage
from itportrait.ingest import list_sources
from itportrait.jobs.stylize.config import load_job
from itportrait.stages.shards import iter_shards
from tests.helpers.odd_inputs import SKIPPED, outcomes, write_odd_inputs


def align(uri: str, output: Path):
    """Run the align stage in this process, as the command line does."""
    job = load_job(None, ["align.size=128"], input=uri, output=str(output))
    listing = list_sources(job.input, patterns=job.ingest.patterns)
    totals = run_stage(job.recipe("align", "", device="cpu"), iter_shards(listing, 8))
    return totals, listing.skipped


@pytest.mark.timeout(300)
def test_every_input_is_one_row_or_one_count(tmp_path):
    root, output = tmp_path / "in", tmp_path / "out"
    uri, expected = write_odd_inputs(root)
    totals, skipped = align(uri, output)
    assert outcomes(output, root) == expected
    assert totals.inputs == expected.total() == totals.ok + totals.failed
    assert {str(reason): count for reason, count in skipped.counts.items()} == SKIPPED

    files = {path: path.stat().st_mtime_ns for path in output.rglob("*.parquet")}
    align(uri, output)
    assert files == {path: path.stat().st_mtime_ns for path in output.rglob("*.parquet")}

    mend(root)
    third, _ = align(uri, output)
    # The shard that was missing, and the table that was cut, with their six rows.
    assert outcomes(output, root) == expected - Counter(
        {("shard-001.tar", "unlisted"): 1, ("cut.parquet", "unlisted"): 1}
    ) + Counter(
        {("shard-001.tar#0.png", "ok"): 1, ("shard-001.tar#1.png", "bad_columns"): 1}
    ) + Counter(
        {
            (name.replace("good", "cut"), outcome): count
            for (name, outcome), count in expected.items()
            if name.startswith("good.parquet#")
        }
    )
    assert third.failed == totals.failed + 1 - 2 + 4


def mend(root: Path) -> None:
    """Put the missing shard into its place, and the whole table into that of the cut one."""
    (root / "shard-001.tar").write_bytes((root / "shard-002.tar").read_bytes())
    (root / "cut.parquet").write_bytes((root / "good.parquet").read_bytes())
