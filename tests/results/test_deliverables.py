"""Files of every portrait: which are made, that they stand, and that one bad one stops nobody."""

import io
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from itportrait.align.stage import AlignStage
from itportrait.image import decode, encode
from itportrait.pages import decode_depth
from itportrait.records import AlignedRecord, InvertedRecord, Source, StylizedRecord
from itportrait.results import delivery
from itportrait.results.deliverables import DeliverablesJob
from itportrait.results.delivery import DeliveryTask, deliver, digest_of, read_delivery, sweep
from itportrait.stages.recipe import Recipe
from itportrait.stages.registry import CHAIN, STAGES
from itportrait.stages.shards import Shard
from itportrait.styles import WeightStyle
from itportrait.stylize import DeliverablesConfig, StylizeConfig, Stylizer
from tests.helpers.icc import cmyk_profile, rgb_profile
from tests.helpers.tables import commit_rows
from tests.helpers.tiny_family import own_samples, tint, tiny_bundle

ALIGN, INVERT, STYLIZE = CHAIN

EVERYTHING = DeliverablesConfig(
    pasted=True,
    turntable=("mp4", "webp"),
    depth=True,
    mesh=("ply",),
    mesh_resolution=24,
    strength=("mp4",),
    between=("webp",),
    frames=2,
)


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture
def world(bundle, tmp_path, monkeypatch):
    """Two portraits in their photos, stylized in two domains: the tables of a finished run."""
    config = StylizeConfig(views_deg=(), metrics=False, turntable_frames=3)
    makers = {
        name: Stylizer(config, bundle, {name: tint(bundle, channel)})
        for name, channel in (("red", 0), ("blue", 2))
    }
    monkeypatch.setattr(delivery, "build_stylizer", lambda recipe: makers[recipe.domain])
    aligned, ws = own_samples(bundle, 2)
    sources, photos = [], []
    for number, record in enumerate(aligned):
        path = tmp_path / f"{number}.png"
        path.write_bytes(encode(np.full((48, 56, 3), 60 + number, np.uint8)))
        sources.append(Source(uri=str(path)))
        crop = np.array([10.0, 6, 32])
        photos.append(replace(record, uri=str(path), crop=crop))
    codes = [
        InvertedRecord(record_id=p.record_id, camera=p.camera, w_plus=w.flatten().numpy())
        for p, w in zip(photos, ws, strict=True)
    ]
    shard, output = Shard(0, tuple(sources)), str(tmp_path / "out")
    commit_rows(Recipe(stage=ALIGN, output=output, config=""), 0, photos, keys=shard.keys())
    commit_rows(Recipe(stage=INVERT, output=output, config=""), 0, codes)
    recipes = []
    for name, maker in makers.items():
        recipe = Recipe(stage=STYLIZE, output=output, config="", domain=name, version="1")
        commit_rows(recipe, 0, maker.stylize(photos, codes, name))
        recipes.append(recipe)
    return shard, tuple(recipes), [photo.record_id for photo in photos]


def task(world, config=EVERYTHING, **values):
    shard, (red, blue), _ = world
    return DeliveryTask(config=config, recipe=blue, before=red, shard=shard, **values)


def files_of(task):
    return {path.relative_to(task.root).as_posix() for path in Path(task.root).rglob("*.*")}


@pytest.mark.parametrize(
    ("space", "note", "outer", "inner"),
    [
        ("Display P3", "converted from Display P3", (61, 120, 200), (117, 251, 76)),
        ("Display P3", None, (61, 120, 200), (0, 255, 0)),  # as release 0.1 left it
        ("inks", "converted from Sixteen inks", (124, 231, 255), (0, 255, 0)),
        ("", None, (61, 120, 200), (0, 255, 0)),
    ],
)
def test_a_photo_keeps_its_own_colors_around_the_view(world, bundle, space, note, outer, inner):
    (aligned, *_), _ = own_samples(bundle, 2)
    photo, profile = Image.new("RGB", (56, 48), (61, 120, 200)), b""
    if space == "inks":
        photo, profile = Image.new("CMYK", (56, 48), (255, 0, 0, 0)), cmyk_profile()
    elif space:
        profile = rgb_profile(space)
    buffer = io.BytesIO()
    photo.save(buffer, "TIFF", icc_profile=profile)
    green = np.zeros((32, 32, 3), np.uint8) + np.array([0, 255, 0], np.uint8)
    portrait = delivery._Portrait(
        source=Source(uri="photo", data=buffer.getvalue()),
        aligned=replace(aligned, crop=np.array([10.0, 6, 32]), color_note=note),
        code=InvertedRecord(record_id=aligned.record_id),
        styled=StylizedRecord(
            record_id=aligned.record_id, domain="red", version="1", pixels=(green,)
        ),
    )
    pasted = Image.open(
        io.BytesIO(delivery._pasted(portrait, 0.1, lambda: np.ones((8, 8), np.float32)))
    )
    pixels = np.asarray(pasted).astype(int)
    np.testing.assert_allclose(pixels[2, 2], outer, atol=3)
    np.testing.assert_allclose(pixels[22, 26], inner, atol=3)
    assert pasted.info.get("icc_profile", b"") == (b"" if space == "inks" else profile)


def test_every_file_that_is_asked_for_is_made(world, bundle):
    work = task(world)
    made = deliver(work)
    names = "pasted.png turntable.mp4 turntable.webp depth.png mesh.ply strength.mp4 from_red.webp"
    expected = {f"{record}/{name}" for record in world[2] for name in names.split()}
    assert made.errors == ()
    assert made.portraits == 2
    assert set(made.files) == expected
    assert files_of(work) == expected | {"_commits/00000.json"}

    folder = Path(work.root) / world[2][1]
    pasted = decode((folder / "pasted.png").read_bytes())
    assert pasted.shape == (48, 56, 3)
    np.testing.assert_allclose(pasted[44:, :10].astype(int), 61, atol=1)
    (view,) = [
        row.record.pixels[0]
        for row in work.recipe.table().read_rows(work.recipe.table().read_commit(0))
        if row.record.record_id == world[2][1]
    ]
    inner, own = pasted[14:30, 18:34].astype(int), view[8:24, 8:24].astype(int)
    assert np.abs(inner - own).mean() < np.abs(inner - 61).mean() / 4
    assert decode_depth((folder / "depth.png").read_bytes()).shape == (8, 8)
    assert b"ftypisom" in (folder / "strength.mp4").read_bytes()[:32]
    assert (folder / "from_red.webp").read_bytes()[8:12] == b"WEBP"
    assert (folder / "mesh.ply").read_bytes().startswith(b"ply")


def test_photos_are_found_behind_a_stage_that_makes_aligned_records(world, monkeypatch):
    class PolishStage(AlignStage):
        name, folder, follows, takes = "polish", "polished", ALIGN, (AlignedRecord,)

    monkeypatch.setattr(STAGES, "_items", {**STAGES._items, "polish": PolishStage})
    shard, (red, blue), ids = world
    # A photo in an archive: its name alone, as rows have it, does not lead to it.
    photos = [Path(source.uri).read_bytes() for source in shard.sources]
    inside = [Source(uri=f"photos.tar/{n}.png", data=data) for n, data in enumerate(photos)]
    shard = Shard(0, tuple(inside))
    align = Recipe(stage=ALIGN, output=red.output, config="")
    aligned = [row.record for row in align.table().read_rows(align.table().read_commit(0))]
    aligned = [replace(row, uri=source.uri) for row, source in zip(aligned, inside, strict=True)]
    commit_rows(align, 0, aligned, keys=shard.keys())
    commit_rows(Recipe(stage="polish", output=red.output, config=""), 0, aligned)
    blue = replace(blue, after=(ALIGN, "polish", INVERT))
    made = deliver(DeliveryTask(config=DeliverablesConfig(pasted=True), recipe=blue, shard=shard))
    assert (set(made.files), made.errors) == ({f"{record}/pasted.png" for record in ids}, ())


def test_what_stands_is_not_made_again_and_what_is_stale_goes(world, monkeypatch):
    made = deliver(task(world, DeliverablesConfig(pasted=True, depth=True)))
    with monkeypatch.context() as patched:
        patched.setattr(delivery, "build_stylizer", None)
        assert deliver(task(world, DeliverablesConfig(pasted=True, depth=True))) == made
    less = task(world, DeliverablesConfig(pasted=True))
    again = deliver(less)
    assert len(again.files) == 2
    assert set(again.stale) == {f"{r}/depth.png" for r in world[2]}
    sweep(less.root, 1, stale=True)
    assert files_of(less) == {"_commits/00000.json", *(f"{r}/pasted.png" for r in world[2])}
    assert read_delivery(less.marker) == replace(again, stale=())
    commit = less.recipe.table().read_commit(less.shard.index)
    assert again.portrayed == digest_of(commit)
    assert not again.shows(replace(commit, outputs="of a later version"))


def test_a_photo_that_leaves_one_shard_keeps_its_files_in_another(world):
    shard, recipes, ids = world
    work = task(world, DeliverablesConfig(pasted=True))
    rows = [row.record for row in recipes[1].table().read_rows(recipes[1].table().read_commit(0))]
    second = Shard(1, shard.sources[1:])
    for stage in (ALIGN, INVERT):
        table = work.recipe.upstream(stage)
        records = [row.record for row in table.read_rows(table.read_commit(0))][1:]
        upstream = Recipe(stage=stage, output=work.recipe.output, config="")
        commit_rows(upstream, 1, records, keys=second.keys() if stage == ALIGN else None)
    commit_rows(recipes[1], 1, rows[1:])
    other = replace(work, shard=second)
    assert set(deliver(work).files) > set(deliver(other).files) == {f"{ids[1]}/pasted.png"}

    recipes[1].table().discard(0)
    gone = deliver(work)
    assert (gone.portraits, gone.files, len(gone.stale)) == (0, (), 2)
    deliver(other)
    sweep(work.root, 2, stale=True)
    assert files_of(work) == {"_commits/00001.json", f"{ids[1]}/pasted.png"}
    assert deliver(work) is None


def test_seconds_are_those_of_making(world, monkeypatch):
    def slow(*_):
        time.sleep(0.05)
        raise OSError("no photo")

    monkeypatch.setattr(delivery, "_pasted", slow)
    made = deliver(task(world, DeliverablesConfig(pasted=True)))
    assert len(made.errors) == 2
    assert 0.1 <= made.seconds < 5


def test_one_bad_portrait_stops_nobody_and_is_tried_again(world):
    photo = Path(world[0].sources[0].uri)
    data = photo.read_bytes()
    photo.unlink()
    work = task(world, DeliverablesConfig(pasted=True))
    made = deliver(work)
    assert (made.portraits, len(made.files)) == (2, 1)
    (error,) = made.errors
    assert (error["file"], error["type"]) == (f"{world[2][0]}/pasted.png", "FileNotFoundError")
    photo.write_bytes(data)
    assert deliver(work) == made
    again = deliver(replace(work, recipe=replace(work.recipe, retry_failed=True)))
    assert (len(again.files), again.errors) == (2, ())


def test_a_photo_without_a_rendered_head_is_no_pasted_portrait(world, bundle, monkeypatch):
    name = "decoder.net.2.bias"
    thin = torch.zeros_like(bundle.generator.get_parameter(name))
    thin[0] = -100  # of the density
    air = {"blue": WeightStyle("air", bundle.model_id, {name: thin})}
    stylizer = Stylizer(StylizeConfig(views_deg=(), metrics=False), bundle, air)
    monkeypatch.setattr(delivery, "build_stylizer", lambda recipe: stylizer)
    made = deliver(task(world, DeliverablesConfig(pasted=True, depth=True)))
    assert set(made.files) == {f"{record}/depth.png" for record in world[2]}
    for error, record in zip(made.errors, world[2], strict=True):
        assert (error["file"], error["type"]) == (f"{record}/pasted.png", "InvalidArgumentError")
        assert "head must be seen somewhere" in error["message"]
        assert "look at the view" in error["message"]


def test_job_bounds_portraits_sweeps_and_stands(world):
    shard, recipes, ids = world
    config = DeliverablesConfig(pasted=True, portraits=1)
    job = DeliverablesJob(
        output=recipes[0].output, config=config, stylize=recipes, shards=1, inputs="i"
    )
    tasks = list(job.tasks([shard, replace(shard, index=1)]))
    assert [(t.recipe.domain, t.shard.index, t.portraits) for t in tasks] == [
        ("red", 0, 1),
        ("blue", 0, 1),
        ("red", 1, 0),
        ("blue", 1, 0),
    ]
    assert [t.before for t in tasks] == [None] * 4
    assert deliver(tasks[0]).files == (f"{ids[0]}/pasted.png",)
    gone = Path(tasks[0].root) / "_commits" / "00007.json"
    stale = Path(tasks[0].root) / "x" / "pasted.png"
    stale.parent.mkdir()
    stale.write_bytes(b"")
    known = {"fingerprint": "f", "portraits": 1, "files": ["x/pasted.png"], "errors": []}
    gone.write_text(json.dumps(known))
    assert job.standing() is None
    summary = {"red": {"portraits": 1, "files": 1, "failed": 1, "reasons": {"OSError": 1}}}
    job.finish(summary)
    assert not gone.exists()
    assert not stale.exists()
    assert job.standing() == summary
    retrying = tuple(replace(recipe, retry_failed=True) for recipe in recipes)
    assert replace(job, stylize=retrying).standing() is None
    assert replace(job, inputs="j").standing() is None


def test_films_between_domains_begin_with_the_second(world):
    shard, recipes, _ = world
    config = DeliverablesConfig(between=("mp4",))
    values = {"output": recipes[0].output, "config": config, "shards": 1, "inputs": ""}
    first, second = DeliverablesJob(stylize=recipes, **values).tasks([shard])
    assert (first.before, second.before) == (None, recipes[0])
    assert deliver(first).files == ()
