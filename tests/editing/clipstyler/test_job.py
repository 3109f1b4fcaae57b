"""Domains of clipstyler from the command line to films, with every portrait fitted once."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from itportrait.bank.store import Bank
from itportrait.bundle import load_bundle
from itportrait.cli import app
from itportrait.editing.clipstyler import style as style_module
from itportrait.image import encode
from itportrait.jobs.stylize.config import load_job
from itportrait.records import InvertedRecord
from itportrait.results.delivery import DeliveryTask, deliver
from itportrait.results.gallery import GalleryJob, make_gallery
from itportrait.stages.shards import Shard
from itportrait.stylize import DeliverablesConfig
from tests.helpers.tables import commit_rows
from tests.helpers.tiny_family import own_samples
from tests.helpers.tiny_folder import write_tiny_bundle

FIT = {"steps": 2, "channels": 2, "patches": 2, "from_picture": True}
INPUTS = {"clipstyler": (), "jojogan+clipstyler": ("--reference", "style.png")}
SETTINGS = {
    "clipstyler": FIT,
    "jojogan+clipstyler": {"clipstyler": FIT, "jojogan": {"pair": {"steps": 1}}},
}
SMALL = {"stylize.views_deg": [[20.0, 0.0]], "stylize.turntable_frames": 3}


def command_line(*command):
    done = CliRunner().invoke(app, [str(part) for part in command], catch_exceptions=False)
    assert done.exit_code == 0, done.output


@pytest.fixture
def fits(monkeypatch):
    """Return a list that grows by the number of portraits of each fit."""
    counts, fit = [], style_module.fit_networks

    def counted(images, *rest):
        counts.append(len(images))
        return fit(images, *rest)

    monkeypatch.setattr(style_module, "fit_networks", counted)
    return counts


@pytest.mark.parametrize("method", INPUTS)
def test_every_portrait_is_fitted_once(method, tmp_path, fits):
    base, bank = tmp_path / "bundle", Bank(str(tmp_path / "bank"))
    write_tiny_bundle(base)
    pixels = np.random.default_rng(3).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    (tmp_path / "style.png").write_bytes(encode(pixels))
    inputs = [tmp_path / part if part == "style.png" else part for part in INPUTS[method]]
    own = {f"bundle={base}", "gate.floors={}", "adapt.probe.count=2", "adapt.probe.every=2"}
    own.add(f"adapt.methods.{method}={json.dumps(SETTINGS[method])}")
    asked = [part for item in sorted(own) for part in ("--set", item)]
    words = ("--prompt", "bronze", "--method", method, "--steps", "2", "--bank", bank.uri)
    command_line("adapt", "red", *words, *asked, *inputs)
    assert bank.champion("red").spec["method"] == method

    output = str(tmp_path / "out")
    config = tmp_path / "job.json"
    config.write_text(json.dumps({"bundle": str(base), "adapt": {}}))
    overrides = [f"{key}={json.dumps(value)}" for key, value in SMALL.items()]
    job = load_job(str(config), overrides, required=("output",), output=output, bank=bank.uri)
    bundle = load_bundle(base)
    photos, ws = own_samples(bundle, 2)
    codes = [
        InvertedRecord(record_id=p.record_id, camera=p.camera, w_plus=w.flatten().numpy())
        for p, w in zip(photos, ws, strict=True)
    ]
    chain = {name: job.recipe(name, bundle.model_id) for name in ("align", "invert")}
    commit_rows(chain["align"], 0, photos)
    commit_rows(chain["invert"], 0, codes)
    fits.clear()
    stylize = ("stylize", output, "--bank", bank.uri, "--config", config, "--device", "cpu")
    settings = [part for override in overrides for part in ("--set", override)]
    command_line(*stylize, *settings)
    assert fits == [2]
    recipe = job.recipe("stylize", bundle.model_id, version=bank.champion("red"))
    rows = [row.record for row in recipe.table().read_rows(recipe.table().read_commit(0))]
    assert [len(row.pixels) for row in rows] == [2, 2]
    assert all(row.fitted for row in rows)

    files = DeliverablesConfig(turntable=("webp",), strength=("webp",), mesh=("ply",), frames=3)
    made = deliver(DeliveryTask(config=files, recipe=recipe, shard=Shard(0, ())))
    assert len(made.files) == 4
    assert {error["type"] for error in made.errors} == {"NoDensityError"}
    shown = GalleryJob(
        output=output, chain=tuple(chain.values()), stylize=(recipe,), portraits=2, turntables=2
    )
    assert "turntable_red+1.mp4" in make_gallery(shown)
    command_line(*stylize, *settings)  # a second run keeps everything
    assert fits == [2]
