"""Drawn datasets: contents, resumption, and refusal of another specification."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import camera_angles
from itportrait.portraits import HELD_OUT_SEED, render_portrait, sample_people
from itportrait.portraits.stored_depth import DEPTH_BACKGROUND, decode_depth, encode_depth
from itportrait.pretrain.dataset import (
    PITCH_MAX,
    YAW_MAX,
    DatasetSpec,
    draw_dataset,
    row_camera,
    shard_path,
)

SPEC = DatasetSpec(
    people=2,
    people_seed=HELD_OUT_SEED,
    views_per_person=2,
    domains=("photo", "clown"),
    size=16,
    shard_size=3,
)


def read(folder) -> dict:
    """Return the arrays and captions of all shards."""
    rows, captions = {}, []
    for path in sorted(folder.glob("shard-*.safetensors")):
        with safe_open(path, framework="numpy") as shard:
            for key in shard.keys():  # noqa: SIM118  (not a dict)
                rows.setdefault(key, []).append(shard.get_tensor(key))
            captions += json.loads(shard.metadata()["captions"])
    return {key: np.concatenate(parts) for key, parts in rows.items()} | {"captions": captions}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("drawn")
    calls = []
    draw_dataset(out, SPEC, workers=1, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    return out


def test_rows_are_what_the_renderer_draws(folder):
    data = read(folder)
    assert data["image"].shape == (8, 16, 16, 3)
    assert data["person"].tolist() == [0, 0, 1, 1] * 2
    assert data["view"].tolist() == [0, 1] * 4
    assert data["domain"].tolist() == [0] * 4 + [1] * 4
    assert [len(captions) for captions in data["captions"]] == [4] * 8
    np.testing.assert_array_equal(data["camera"][:4], data["camera"][4:])
    person = sample_people(2, HELD_OUT_SEED)[1]
    drawn = render_portrait(person, torch.from_numpy(data["camera"][7]), 16, domain="clown")
    np.testing.assert_array_equal(data["image"][7], drawn.image)
    np.testing.assert_array_equal(data["latent"][7], person.latent)
    head = drawn.alpha > 0
    np.testing.assert_allclose(decode_depth(data["depth"][7])[head], drawn.depth[head], atol=3e-5)


def test_only_missing_shards_are_drawn(folder):
    lost, kept = shard_path(folder, 1), shard_path(folder, 0)
    content, stamp = lost.read_bytes(), kept.stat().st_mtime_ns
    lost.unlink()
    draw_dataset(folder, SPEC)
    assert lost.read_bytes() == content
    assert kept.stat().st_mtime_ns == stamp


def test_another_specification_is_refused(folder):
    with pytest.raises(InvalidArgumentError, match="another folder"):
        draw_dataset(folder, SPEC.model_copy(update={"seed": 1}))
    assert json.loads((folder / "dataset.json").read_text())["spec"]["seed"] == 0


def test_depth_levels_round_trip():
    depth = np.array([1.9, 2.5, 3.1, 3.3], np.float32)
    stored = encode_depth(depth, np.array([1, 1, 0.2, 0]))
    assert stored[3] == DEPTH_BACKGROUND
    np.testing.assert_allclose(decode_depth(stored), depth, atol=2e-5)


def test_cameras_are_in_range_and_differ():
    cameras = torch.stack([row_camera(SPEC, person, 0) for person in range(200)])
    yaw, pitch = camera_angles(cameras)
    assert yaw.abs().max() < YAW_MAX + 1e-3
    assert pitch.abs().max() < PITCH_MAX + 1e-3
    assert 0.25 < yaw.std() < 0.45
    assert 0.10 < pitch.std() < 0.20
