"""Portraits with weights of their own: everything that renders them uses these weights."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from itportrait.bank.store import Bank, BankVersion
from itportrait.bundle import load_bundle
from itportrait.cli import app
from itportrait.image import encode
from itportrait.jobs.portrait_model import load_portrait_model
from itportrait.jobs.stylize.config import load_job
from itportrait.records import InvertedRecord
from itportrait.results.delivery import DeliveryTask, deliver
from itportrait.results.gallery import GalleryJob, make_gallery
from itportrait.stages.shards import Shard
from itportrait.styles import Codes, WeightDelta
from itportrait.stylize import DeliverablesConfig
from tests.helpers.tables import commit_rows
from tests.helpers.tiny_family import own_samples, tint

DOMAINS = ("red", "blue")
PARAMS = {"yaw_deg": [15.0], "method": "pti"}
PTI = {"steps": 3, "lr": 0.05, "side_loss": 100, "depth_variance": [0, 100]}


@pytest.fixture(scope="module")
def bundle(base):
    return load_bundle(str(base))


@pytest.fixture(scope="module")
def bank(bundle, base, tmp_path_factory):
    bank = Bank(str(tmp_path_factory.mktemp("tuned") / "bank"))
    for name, channel in zip(DOMAINS, (0, 2)):
        version = BankVersion(
            domain=name,
            version="v1",
            base_model_id=bundle.model_id,
            spec={"name": name, "mode": "text", "prompt": name},
            info={"base": str(base)},
        )
        style = replace(tint(bundle, channel), domain=name)
        bank.publish(version, {"adapter.safetensors": style.to_bytes()})
    return bank


@pytest.fixture(scope="module")
def runs(bundle, base, bank, tmp_path_factory):
    """Jobs on the same two portraits, with weights and without: (job, recipes, configuration)."""
    generator = bundle.generator
    photos, ws = own_samples(bundle, 2)
    crop = np.array([0.0, 0.0, 32.0], np.float32)
    folder = tmp_path_factory.mktemp("runs")
    for number, photo in enumerate(photos):
        (folder / f"{number}.png").write_bytes(encode(photo.pixels))
        photos[number] = replace(photo, crop=crop, uri=str(folder / f"{number}.png"))
    found = {}
    for kind in ("tuned", "plain"):
        config = folder / f"{kind}.json"
        settings = {"views_deg": [[20.0, 0.0]], "turntable_frames": 3}
        config.write_text(json.dumps({"bundle": str(base), "stylize": settings}))
        output = str(folder / kind)
        job = load_job(str(config), [], required=("output",), output=output, bank=bank.uri)
        codes = []
        for row, (photo, w) in enumerate(zip(photos, ws, strict=True)):
            weights = delta(generator, row).to_bytes() if kind == "tuned" else None
            code = {"camera": photo.camera, "w_plus": w.flatten().numpy(), "weights": weights}
            codes.append(InvertedRecord(record_id=photo.record_id, pixels=photo.pixels, **code))
        recipes = {name: job.recipe(name, bundle.model_id) for name in ("align", "invert")}
        commit_rows(recipes["align"], 0, photos)
        commit_rows(recipes["invert"], 0, codes)
        command = ["stylize", output, "--bank", bank.uri, "--config", str(config)]
        done = CliRunner().invoke(app, [*command, "--device", "cpu"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        for name in DOMAINS:
            recipes[name] = job.recipe("stylize", bundle.model_id, version=bank.champion(name))
        found[kind] = job, recipes, config
    return found


def delta(generator, seed):
    """Return a change of all that draws: pictures, depth and density differ."""
    rng = torch.Generator().manual_seed(seed)
    parameters = generator.parameters_of(generator.parts)
    return WeightDelta(
        {name: 0.3 * torch.randn(p.shape, generator=rng) for name, p in parameters.items()}
    )


def rows_of(recipe):
    table = recipe.table()
    return [row.record for row in table.read_rows(table.read_commit(0))]


@torch.no_grad()
def test_views_are_of_base_and_person_and_style(bundle, bank, runs):
    _, recipes, _ = runs["tuned"]
    codes = Codes.of(rows_of(recipes["invert"]), bundle.generator)
    for name in DOMAINS:
        prepared = bank.champion(name).style().prepare(bundle.generator)
        for position, row in enumerate(rows_of(recipes[name])):
            assert str(row.status) == "ok"
            assert row.views == 2
            code = codes[[position]]
            own = prepared.render(code).final_image[0].permute(1, 2, 0)
            pixels = torch.from_numpy(row.pixels[0] / 127.5 - 1).float()
            assert (own.clamp(-1, 1) - pixels).abs().max() < 0.01
    for name in DOMAINS:
        for mine, plain in zip(rows_of(recipes[name]), rows_of(runs["plain"][1][name])):
            for view, other in zip(mine.pixels, plain.pixels, strict=True):
                assert np.abs(view.astype(int) - other).mean() > 5


def test_all_files_of_a_portrait_are_of_its_weights(runs):
    config = DeliverablesConfig(
        pasted=True,
        turntable=("webp",),
        depth=True,
        mesh=("ply",),
        mesh_resolution=24,
        strength=("webp",),
        between=("webp",),
        frames=3,
    )
    made = {}
    for kind, (_, recipes, _) in runs.items():
        task = DeliveryTask(
            config=config, recipe=recipes["blue"], shard=Shard(0, ()), before=recipes["red"]
        )
        delivery = deliver(task)
        assert delivery.errors == ()
        assert len(delivery.files) == 2 * config.kinds
        made[kind] = {path: read(f"{task.root}/{path}") for path in delivery.files}
    assert made["tuned"].keys() == made["plain"].keys()
    for path, content in made["tuned"].items():
        assert content != made["plain"][path], path


def read(path):
    with open(path, "rb") as file:
        return file.read()


def test_the_gallery_turns_the_portrait_with_its_weights(runs):
    films = {}
    for kind, (job, recipes, _) in runs.items():
        shown = GalleryJob(
            output=job.output,
            chain=(recipes["align"], recipes["invert"]),
            stylize=(recipes["red"],),
            portraits=2,
            turntables=1,
        )
        assert "turntable_red.mp4" in make_gallery(shown)
        films[kind] = read(f"{job.output}/gallery/turntable_red.mp4")
    assert films["tuned"] != films["plain"]


@pytest.mark.parametrize("domain", ["", "red"])
def test_an_exported_mesh_is_of_the_weights(domain, runs, bank, tmp_path):
    meshes = {}
    for kind, (job, recipes, config) in runs.items():
        target = tmp_path / f"{kind}.ply"
        record = rows_of(recipes["invert"])[0].record_id
        command = ["export-mesh", job.output, record, "--to", str(target), "--bank", bank.uri]
        command += ["--config", str(config), "--resolution", "24", "--domain", domain]
        done = CliRunner().invoke(app, command, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        meshes[kind] = target.read_bytes()
    assert meshes["tuned"] != meshes["plain"]


def test_a_saved_model_tunes_where_it_is_asked(bundle, base, bank, tmp_path):
    bank.champion("red").style().save(tmp_path)
    about = {"domain": "red", "version": "v1", "base": str(base), "base_model_id": bundle.model_id}
    invert = {"steps": 1, "statistics_samples": 64, "methods": {"pti": PTI}}
    (tmp_path / "about.json").write_text(json.dumps({**about, "invert": invert}))
    model = load_portrait_model(tmp_path, device="cpu")
    pixels = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3)).astype(np.uint8)
    tuned = model.predict(pixels, params=PARAMS)
    assert list(tuned.status) == ["ok"]
    assert all(Image.open(io.BytesIO(view)).size == (32, 32) for view in tuned.views[0])
    plain = model.predict(pixels, params={**PARAMS, "method": "w_plus"})
    assert tuned.views[0] != plain.views[0]
    assert model.predict(pixels, params={"yaw_deg": [15.0]}).views[0] == plain.views[0]
    without = [
        model.predict(pixels, params={**PARAMS, "method": method, "strength": 0.0}).views[0]
        for method in ("pti", "w_plus")
    ]
    assert without[0] != without[1]

    never = {**about, "invert": {**invert, "tune": "never"}}
    (tmp_path / "about.json").write_text(json.dumps(never))
    views = load_portrait_model(tmp_path, device="cpu").predict(pixels, params=PARAMS).views
    assert views[0] == plain.views[0]
