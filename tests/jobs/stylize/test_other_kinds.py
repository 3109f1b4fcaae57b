"""Styles of kinds that the package does not have, from a bank through everything that takes one."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from itportrait.adapt import AdaptConfig, DomainSpec, resolve
from itportrait.adapt.probe import StepProbe
from itportrait.bank.store import Bank, BankVersion
from itportrait.bundle import load_bundle
from itportrait.cli import app
from itportrait.evaluate import EvaluationProbeConfig, ProbeBase
from itportrait.jobs.bank.scores import ScoreJob, score_versions
from itportrait.jobs.portrait_model import load_portrait_model
from itportrait.jobs.stylize.config import load_job
from itportrait.records import InvertedRecord, Status
from itportrait.results.delivery import DeliveryTask, deliver
from itportrait.results.gallery import GalleryJob, make_gallery
from itportrait.stages.shards import Shard
from itportrait.styles import StyleFile
from itportrait.stylize import DeliverablesConfig
from tests.helpers import latent_style, portrait_style
from tests.helpers.latent_style import LatentStyle
from tests.helpers.portrait_style import PortraitStyle
from tests.helpers.tables import commit_rows
from tests.helpers.tiny_family import own_samples, tint

KINDS = ("weights", "latent", "portrait")
ASKED = {
    "stylize.views_deg": [[20.0, 0.0]],
    "stylize.turntable_frames": 3,
}


def styles_of(bundle):
    """Return a style of each kind, by the domain that it is published as."""
    generator = bundle.generator
    way = torch.randn(generator.num_ws, generator.w_dim, generator=torch.Generator().manual_seed(3))
    return {
        "weights": replace(tint(bundle, 0), domain="weights"),
        "latent": LatentStyle("latent", bundle.model_id, 3 * way),
        "portrait": PortraitStyle("portrait", bundle.model_id, torch.tensor([0.9, 0.0, -0.9])),
    }


@pytest.fixture(scope="module")
def bundle(base):
    return load_bundle(str(base))


@pytest.fixture(scope="module")
def bank(bundle, base, tmp_path_factory):
    bank = Bank(str(tmp_path_factory.mktemp("styles") / "bank"))
    for name, style in styles_of(bundle).items():
        publish(bank, bundle, base, name, style.to_bytes())
    return bank


def publish(bank, bundle, base, name, data):
    spec = DomainSpec.parse({"name": name, "mode": "text", "prompt": "red"})
    version = BankVersion(
        domain=name,
        version="v1",
        base_model_id=bundle.model_id,
        spec=spec.portable(),
        info={"base": str(base)},
    )
    return bank.publish(version, {"adapter.safetensors": data})


@pytest.fixture(scope="module")
def run(bundle, base, bank, tmp_path_factory):
    """The output of a job: two portraits, stylized in a domain of each kind by the command line."""
    folder = tmp_path_factory.mktemp("run")
    config = folder / "job.json"
    config.write_text(json.dumps({"bundle": str(base), "adapt": {}}))
    overrides = [f"{key}={json.dumps(value)}" for key, value in ASKED.items()]
    output = str(folder / "out")
    job = load_job(str(config), overrides, required=("output",), output=output, bank=bank.uri)
    photos, ws = own_samples(bundle, 2)
    codes = [
        InvertedRecord(record_id=p.record_id, camera=p.camera, w_plus=w.flatten().numpy())
        for p, w in zip(photos, ws, strict=True)
    ]
    recipes = {name: job.recipe(name, bundle.model_id) for name in ("align", "invert")}
    commit_rows(recipes["align"], 0, photos)
    commit_rows(recipes["invert"], 0, codes)
    command = ["stylize", output, "--bank", bank.uri, "--config", str(config), "--device", "cpu"]
    for override in overrides:
        command += ["--set", override]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    for name in KINDS:
        recipes[name] = job.recipe("stylize", bundle.model_id, version=bank.champion(name))
    return job, recipes, config


def rows_of(recipe):
    table = recipe.table()
    return [row.record for row in table.read_rows(table.read_commit(0))]


def test_each_kind_is_written_in_less_than_forty_lines():
    for module in (latent_style, portrait_style):
        lines = Path(module.__file__).read_text().splitlines()
        assert sum(bool(line.strip()) for line in lines) < 40


def test_the_stage_renders_every_kind(run):
    _, recipes, _ = run
    rows = {name: rows_of(recipes[name]) for name in KINDS}
    for name, records in rows.items():
        assert [str(record.status) for record in records] == ["ok", "ok"], records
        assert all(record.domain == name and record.views == 2 for record in records)
        assert all(np.isfinite(record.identity) for record in records)
    # Fitted to each portrait: whatever it was before, its mean color is the style's.
    for record in rows["portrait"]:
        means = record.pixels[0].mean((0, 1)) / 127.5 - 1
        assert means[0] > 0.5
        assert means[2] < -0.5
    assert rows["portrait"][0].depth_distance == pytest.approx(0, abs=1e-6)
    assert rows["latent"][0].depth_distance > 0


def test_the_gallery_shows_every_kind(run):
    job, recipes, _ = run
    shown = GalleryJob(
        output=job.output,
        chain=(recipes["align"], recipes["invert"]),
        stylize=tuple(recipes[name] for name in KINDS),
        portraits=2,
        turntables=1,
        meshes=1,
    )
    files = make_gallery(shown)
    assert {f"turntable_{name}.mp4" for name in KINDS} < set(files)
    meshes = {name for name in files if name.endswith(".glb")}
    assert meshes == {"mesh_weights.glb", "mesh_latent.glb"}  # the third has no density
    page = Path(job.output, "gallery", "index.html").read_text()
    assert page.count('<figure class="mesh">') == 2
    for name in meshes:
        data = Path(job.output, "gallery", name).read_bytes()
        assert base64.b64encode(data).decode() in page


def test_files_that_a_kind_cannot_give_are_lines_of_their_own(run):
    _, recipes, _ = run
    config = DeliverablesConfig(
        turntable=("webp",),
        depth=True,
        mesh=("ply",),
        mesh_resolution=24,
        strength=("webp",),
        between=("webp",),
        frames=3,
    )
    made = {
        name: deliver(
            DeliveryTask(config=config, recipe=recipes[name], shard=Shard(0, ()), before=before)
        )
        for name, before in (
            ("weights", None),
            ("latent", recipes["weights"]),
            ("portrait", recipes["latent"]),
        )
    }
    names = {name: {path.partition("/")[2] for path in m.files} for name, m in made.items()}
    assert names["weights"] == {"turntable.webp", "strength.webp", "depth.png", "mesh.ply"}
    assert names["latent"] == names["weights"]
    assert names["portrait"] == names["weights"] - {"mesh.ply"}
    assert made["weights"].errors == ()
    assert {error["type"] for error in made["latent"].errors} == {"InvalidArgumentError"}
    message = made["latent"].errors[0]["message"]
    assert "no way between two kinds, got 'weights' of kind 'itportrait-adapter-1' and" in message
    errors = {error["file"].partition("/")[2]: error for error in made["portrait"].errors}
    assert errors["mesh.ply"]["type"] == "NoDensityError"
    assert "without a density" in errors["mesh.ply"]["message"]


def test_films_take_what_was_fitted_from_its_table(run, monkeypatch):
    job, recipes, _ = run
    kept = {name: [record.fitted for record in rows_of(recipes[name])] for name in KINDS}
    assert all(len(data) == 12 for data in kept["portrait"])  # three numbers
    assert kept["weights"] == kept["latent"] == [None, None]
    tables = {name: recipes[name].table() for name in KINDS}
    folders = {name: Path(table.root) / table.place("fitted") for name, table in tables.items()}
    assert [name for name in KINDS if folders[name].exists()] == ["portrait"]
    monkeypatch.setattr(portrait_style.FilteredPortraits, "fit", None)  # fitting again would fail
    files = {"turntable": ("webp",), "strength": ("mp4",), "depth": True, "frames": 4}
    made = deliver(
        DeliveryTask(
            config=DeliverablesConfig(**files), recipe=recipes["portrait"], shard=Shard(0, ())
        )
    )
    assert (len(made.files), made.errors) == (6, ())
    shown = GalleryJob(
        output=job.output,
        chain=(recipes["align"], recipes["invert"]),
        stylize=(recipes["portrait"],),
        portraits=2,
        turntables=2,
    )
    assert {"turntable_portrait.mp4", "turntable_portrait+1.mp4"} < set(make_gallery(shown))


def test_a_mesh_of_a_style_without_density_is_refused(run, bank, tmp_path):
    job, recipes, config = run
    record = rows_of(recipes["weights"])[0].record_id

    def export(domain):
        target = tmp_path / f"{domain}.glb"
        command = ["export-mesh", job.output, record, "--to", str(target), "--domain", domain]
        command += ["--bank", bank.uri, "--config", str(config), "--resolution", "24"]
        return CliRunner().invoke(app, command), target

    done, target = export("latent")
    assert done.exit_code == 0, done.output
    assert target.stat().st_size > 0
    done, target = export("portrait")
    assert done.exit_code == 2
    assert "no mesh can be made" in done.output
    assert not target.exists()


def test_the_probe_scores_every_kind(bundle, base, bank):
    probe = EvaluationProbeConfig(count=2, kid_count=2, batch_size=2)
    job = ScoreJob(
        bundle=str(base),
        spec=DomainSpec.parse({"name": "any", "mode": "text", "prompt": "red"}),
        styles={name: bank.champion(name).style_bytes() for name in KINDS},
        probe=probe,
        pictures=2,
    )
    scores = score_versions(job, ProbeBase(bundle, job.probe))
    assert set(scores.faces) == {"base", *KINDS}
    for name in KINDS:
        assert not np.array_equal(scores.faces[name][0], scores.faces["base"][0])
        assert all(np.isfinite(value) for value in scores.metrics[name].values())
    assert scores.metrics["portrait"]["depth_variance"] == pytest.approx(1, abs=1e-4)


def test_the_probe_of_an_adaptation_scores_every_kind(bundle):
    spec = DomainSpec.parse({"name": "any", "mode": "text", "prompt": "red"})
    config = AdaptConfig.parse({"probe": {"count": 2}})
    probe = StepProbe(bundle, spec, resolve(spec, config), ())
    for style in styles_of(bundle).values():
        plain, _ = probe.score(style.prepare(bundle.generator, 0.0))
        scores, images = probe.score(style.prepare(bundle.generator))
        assert len(images) == 2
        assert plain["identity"] == pytest.approx(1, abs=1e-4)
        assert scores["identity"] < plain["identity"]


@pytest.mark.parametrize("name", KINDS)
def test_a_saved_model_serves_every_kind(name, bundle, base, bank, tmp_path):
    bank.champion(name).style().save(tmp_path)
    about = {"domain": name, "version": "v1", "base": str(base), "base_model_id": bundle.model_id}
    (tmp_path / "about.json").write_text(json.dumps({**about, "invert": {"steps": 1}}))
    model = load_portrait_model(tmp_path, device="cpu")
    pixels = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3)).astype(np.uint8)
    rows = model.predict(pixels, params={"yaw_deg": [15.0]})
    plain = model.predict(pixels, params={"yaw_deg": [15.0], "strength": 0.0})
    assert list(rows.status) == ["ok"]
    assert len(rows.views[0]) == 2
    assert rows.views[0][0] != plain.views[0][0]


def test_a_bank_with_a_kind_that_is_not_installed_names_it(bundle, base, tmp_path, run):
    job, _, config = run
    strange = Bank(str(tmp_path / "bank"))
    data = StyleFile("sketch-7", "sketch", bundle.model_id, {"a": torch.ones(1)}).to_bytes()
    publish(strange, bundle, base, "sketch", data)
    command = ["stylize", job.output, "--bank", strange.uri, "--config", str(config)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert "unknown kind of style 'sketch-7'; known: itportrait-adapter-1" in done.output
    assert "install the package" in done.output


def test_what_was_fitted_to_a_portrait_is_used_again(bundle, run, monkeypatch):
    from itportrait.styles import Codes

    _, recipes, _ = run
    table = recipes["invert"].table()
    records = [row.record for row in table.read_rows(table.read_commit(0))]
    assert all(record.status is Status.OK for record in records)
    codes = Codes.of(records, bundle.generator)
    style = styles_of(bundle)["portrait"]
    first = style.prepare(bundle.generator).bind(codes)
    assert first.fitted is not None
    monkeypatch.setattr(portrait_style.FilteredPortraits, "fit", None)  # fitting again would fail
    again = style.prepare(bundle.generator, 0.5).bind(codes, fitted=first.fitted)
    assert again.fitted == first.fitted
    with torch.no_grad():
        full, half = (b.render(codes.cameras).image for b in (first, again))
        plain = bundle.generator.synthesize(codes.ws, codes.cameras).image
    torch.testing.assert_close(half, (full + plain) / 2)
