"""Domains of both forms from the command line through the main job: adapted, stylized, meshed."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from itportrait.bank.store import Bank
from itportrait.cli import app
from itportrait.jobs.stylize.config import load_job
from itportrait.records import InvertedRecord
from tests.helpers.tables import commit_rows
from tests.helpers.tiny_family import own_samples

SMALL = {
    "directions": {
        "directions": {"beta": 0.0, "relevance": {"samples": 2, "statistics_samples": 64}}
    },
    "optimization": {"optimization": {"steps": 3}},
}


def run(*command):
    done = CliRunner().invoke(app, list(map(str, command)))
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("form", SMALL)
def test_a_domain_is_adapted_stylized_once_and_meshed(tiny, cache, tmp_path, form):
    config, output, bank = tmp_path / "job.json", tmp_path / "out", Bank(str(tmp_path / "bank"))
    styleclip = {"form": form, **SMALL[form]}
    adapt = {"probe": {"count": 2}, "methods": {"styleclip": styleclip}}
    config.write_text(
        json.dumps({"bundle": str(tiny.directory), "adapt": adapt, "gate": {"floors": {}}})
    )
    common = ("--bank", bank.uri, "--config", config)
    run("adapt", "zombie", *common, "--method", "styleclip", "--prompt", "zombie")
    version = bank.champion("zombie")
    job = load_job(str(config), [], required=("output",), output=str(output), bank=bank.uri)
    photos, ws = own_samples(tiny, 2)
    codes = [
        InvertedRecord(record_id=photo.record_id, camera=photo.camera, w_plus=w.flatten().numpy())
        for photo, w in zip(photos, ws, strict=True)
    ]
    commit_rows(job.recipe("align", tiny.model_id), 0, photos)
    commit_rows(job.recipe("invert", tiny.model_id), 0, codes)
    stylize = ("stylize", output, *common, "--device", "cpu")
    run(*stylize)
    table = job.recipe("stylize", tiny.model_id, version=version).table()
    commit = table.read_commit(0)
    rows = [row.record for row in table.read_rows(commit)]
    assert [str(row.status) for row in rows] == ["ok", "ok"]
    assert all(np.isfinite(row.clip_direction) for row in rows)
    size = None if form == "directions" else 4 * ws[0].numel()
    assert [row.fitted and len(row.fitted) for row in rows] == [size, size]
    run(*stylize)
    assert table.read_commit(0) == commit
    mesh = tmp_path / "head.ply"
    where = ("--domain", "zombie", "--to", mesh, "--resolution", 16)
    run("export-mesh", output, rows[0].record_id, *common, *where)
    assert mesh.stat().st_size > 0
