"""Files of every portrait by the job's real command: each is opened, and is of its own portrait."""

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
import trimesh
from PIL import Image
from trimesh.visual import ColorVisuals

from itportrait.bank.store import Bank
from itportrait.image import decode
from itportrait.io.commits import read_committed
from itportrait.jobs.ready_made import ready_made_bank
from itportrait.meshes import decode_mesh
from itportrait.mini.samples import write_sample_portraits
from itportrait.pages import decode_depth
from itportrait.photos.decoding import decode_photo
from itportrait.records import AlignedRecord, StylizedRecord
from itportrait.styles import WeightStyle
from tests.conftest import REPOSITORY
from tests.helpers.tables import read_styled

SIZE, FRAMES = 128, 4
CONFIG = f"""
bundle: mini
domains: [faint, clown]
invert: {{method: w_plus, steps: 6, statistics_samples: 256}}
stylize: {{views_deg: [], metrics: false, turntable_frames: {FRAMES}}}
publish:
  portraits: 0
  review: 0
  deliverables:
    pasted: true
    turntable: [mp4, webp]
    depth: true
    mesh: [glb, ply, obj]
    mesh_resolution: 64
    strength: [mp4, webp]
    between: [mp4, webp]
    frames: {FRAMES}
"""
FILES = {
    *("pasted.png", "depth.png", "mesh.glb", "mesh.ply", "mesh.obj"),
    *("turntable.mp4", "turntable.webp", "strength.mp4", "strength.webp"),
}
MESHES = ("glb", "ply", "obj")
FILMS = {"from_faint.mp4", "from_faint.webp"}


class Portrait(NamedTuple):
    """A portrait of the finished run."""

    photo: np.ndarray
    crop: np.ndarray
    views: dict[str, np.ndarray]
    """Domain -> the input's own view."""


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """The output of a job on two photos, one of them stored on its side, in two domains."""
    root = tmp_path_factory.mktemp("deliverables")
    photos = root / "photos"
    write_sample_portraits(str(photos), 2, 5, 256)
    (photos / "truth.parquet").unlink()
    _lay_on_its_side(sorted(photos.glob("*.png"))[0])
    _publish_half_a_clown(Bank(str(root / "bank")))
    (root / "job.yaml").write_text(CONFIG)
    command = [sys.executable, "workflows/stylize_dataset.py", "--config", str(root / "job.yaml")]
    command += ["--input", str(photos), "--output", str(root / "out")]
    command += ["--bank", str(root / "bank")]
    address = os.environ.get("ITPORTRAIT_TEST_RAY")
    command += ["--address", address] if address else []
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"Deliverables: {root / 'out' / 'deliverables'}" in done.stdout
    return root / "out"


def _lay_on_its_side(path: Path) -> None:
    """Store a photo as cameras do: turned, with the way to show it in its EXIF data."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    picture = Image.open(path).convert("RGB").transpose(Image.Transpose.ROTATE_90)
    picture.save(path.with_suffix(".jpg"), quality=95, exif=exif)
    path.unlink()


def _publish_half_a_clown(bank: Bank) -> None:
    """Publish a second domain that took no training: the ready-made one at half its strength."""
    clown = ready_made_bank("mini").champion("clown")
    adapter = WeightStyle.from_bytes((Path(clown.uri) / "adapter.safetensors").read_bytes())
    half = replace(adapter.scaled(0.5), domain="faint")
    version = replace(clown, domain="faint", fingerprint="half", references=())
    bank.publish(version, {"adapter.safetensors": half.to_bytes()})


@pytest.fixture(scope="module")
def portraits(output):
    """What the tables say of each portrait, by its id."""
    views: dict[str, dict[str, np.ndarray]] = {}
    for domain in ("faint", "clown"):
        for record in read_styled(output, domain, pixels=True):
            assert isinstance(record, StylizedRecord)
            views.setdefault(record.record_id, {})[domain] = record.pixels[0]
    found = {}
    for record in read_committed(str(output / "aligned"), AlignedRecord):
        assert isinstance(record, AlignedRecord)
        assert record.crop is not None
        photo = decode_photo(Path(record.uri).read_bytes())
        found[record.record_id] = Portrait(photo, record.crop, views[record.record_id])
    return found


def read_film(path: Path) -> np.ndarray:
    """Return the frames of a film, `[T, H, W, 3]` uint8, as a player shows them."""
    if path.suffix == ".mp4":
        with av.open(str(path)) as container:
            return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
    frames = []
    with Image.open(path) as picture:
        for index in range(getattr(picture, "n_frames", 1)):
            picture.seek(index)
            frames.append(np.asarray(picture.convert("RGB")))
    return np.stack(frames)


def colors_of(mesh: trimesh.Trimesh) -> np.ndarray:
    """Return the color of every vertex, `[V, 3]`."""
    assert isinstance(mesh.visual, ColorVisuals)
    return np.asarray(mesh.visual.vertex_colors)[:, :3]


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean absolute difference of two pictures, in levels of 255."""
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_portrait_has_every_file(output, portraits):
    about = json.loads((output / "run.json").read_text())
    assert about["counts"] == {"ok": 2, "rejected": 0, "failed": 0}
    for name, count in (("faint", 9), ("clown", 11)):
        made = about["deliverables"][name]
        assert (made["portraits"], made["files"], made["failed"]) == (2, 2 * count, 0)
        assert made["reasons"] == {}
        assert made["cpu_seconds_per_1000"] == pytest.approx(500 * made["cpu_seconds"], rel=1e-3)
    parts = [*about["stages"].values(), *about["deliverables"].values()]
    assert min(part["cpu_seconds"] for part in parts) > 0
    whole = sum(part["cpu_seconds"] for part in parts)
    assert about["cost"]["cpu_seconds"] == pytest.approx(whole, abs=0.01)
    for domain, names in (("faint", FILES), ("clown", FILES | FILMS)):
        folder = output / "deliverables" / f"domain={domain}"
        found = {path.relative_to(folder).as_posix() for path in folder.glob("*/*.*")}
        expected = {f"{record}/{name}" for record in portraits for name in names}
        assert found == expected | {"_commits/00000.json"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_pasted_photo_is_the_photo_around_the_view(output, portraits):
    for record_id, portrait in portraits.items():
        path = output / "deliverables" / "domain=clown" / record_id / "pasted.png"
        pasted = decode(path.read_bytes())
        assert pasted.shape == portrait.photo.shape == (256, 256, 3)
        left, top, side = portrait.crop
        middles = np.arange(256) + 0.5
        depth = np.minimum.outer(
            np.minimum(middles - top, top + side - middles),
            np.minimum(middles - left, left + side - middles),
        )
        outside, core = depth < 0, depth > 0.2 * side  # past the soft edge: the view alone
        changed = (pasted != portrait.photo).any(-1)
        assert changed[outside].mean() < 0.1  # of hair alone, which goes on past the crop
        scaled = round(side)
        view = Image.fromarray(portrait.views["clown"]).resize((scaled, scaled))
        wanted = Image.fromarray(portrait.photo)
        wanted.paste(view, (round(left), round(top)))
        assert difference(pasted[core], np.asarray(wanted)[core]) < 6
        assert difference(pasted[core], portrait.photo[core]) > 20


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["mp4", "webp"])
def test_films_have_their_frames_and_ends(output, portraits, kind):
    for record_id, portrait in portraits.items():
        folder = output / "deliverables" / "domain=clown" / record_id
        turntable, strength, between = (
            read_film(folder / f"{name}.{kind}") for name in ("turntable", "strength", "from_faint")
        )
        assert turntable.shape == strength.shape == between.shape == (FRAMES, SIZE, SIZE, 3)
        # Frames 1 and 3 look from the two sides.
        assert difference(turntable[1], turntable[3]) > 8
        clown, faint = portrait.views["clown"], portrait.views["faint"]
        assert difference(clown, faint) > 20
        # What compression takes away is far less.
        assert difference(between[0], faint) < 6
        for film in (strength, between):
            assert difference(film[-1], clown) < 6
        steps = [difference(strength[0], frame) for frame in strength]
        assert steps == sorted(steps)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_depth_and_mesh_have_the_head_in_world_units(output, portraits):
    for record_id in portraits:
        folder = output / "deliverables" / "domain=clown" / record_id
        depth = decode_depth((folder / "depth.png").read_bytes())
        assert Image.open(io.BytesIO((folder / "depth.png").read_bytes())).mode.startswith("I")
        height, width = depth.shape
        face = depth[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
        assert height == width
        assert 2.2 < face.min() <= face.max() < 3.0  # the camera stands at 2.7
        meshes = {k: decode_mesh((folder / f"mesh.{k}").read_bytes(), k) for k in MESHES}
        painted = meshes.pop("glb")
        assert painted.visual.material.baseColorTexture.size == (4 * SIZE, 4 * SIZE)
        for mesh in meshes.values():
            assert len(mesh.faces) == len(meshes["ply"].faces) >= len(painted.faces) > 1000
            np.testing.assert_allclose(mesh.bounds, painted.bounds, atol=1e-2)
            assert mesh.is_watertight
            assert np.abs(mesh.bounds).max() <= 0.52
            colors = colors_of(mesh)
            assert colors.std(axis=0).max() > 10
            np.testing.assert_allclose(colors.mean(0), colors_of(meshes["ply"]).mean(0), atol=1)
