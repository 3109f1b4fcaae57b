"""Unaligned photos: the crop of the truth is the aligned portrait of the truth."""

import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from itportrait.errors import InvalidArgumentError
from itportrait.mini.samples import draw_photo, write_sample_portraits
from itportrait.portraits import HELD_OUT_SEED, render_portrait, sample_people
from itportrait.portraits.stored_depth import decode_depth


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("photos")
    uris = write_sample_portraits(str(out), 2, HELD_OUT_SEED, 96)
    return out, uris


def test_truth_describes_the_photos(written):
    out, uris = written
    rows = pq.read_table(out / "truth.parquet").to_pylist()
    assert [f"{out}/{row['uri']}" for row in rows] == uris
    for row in rows:
        pixels = np.asarray(Image.open(out / row["uri"]))
        assert pixels.shape == (96, 96, 3)
        assert len(row["camera"]) == 25
        assert len(row["latent"]) == 64
        assert "glasses" in json.loads(row["attributes"])
        left, top, side = row["crop"]
        points = np.array(row["landmarks"]).reshape(5, 2)
        assert ((points > (left, top)) & (points < (left + side, top + side))).all()
        depth = decode_depth(np.asarray(Image.open(io.BytesIO(row["depth"]))))
        assert depth.shape == (96, 96)
        assert 2.2 < depth.min() < 2.7


def test_the_crop_is_the_aligned_portrait():
    person = sample_people(1, HELD_OUT_SEED)[0]
    photo = draw_photo(person, 4, 128)
    left, top, side = photo.crop
    crop = Image.fromarray(photo.portrait.image).resize(
        (48, 48), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side)
    )
    aligned = render_portrait(person, photo.camera, 48)
    assert np.abs(np.asarray(crop).astype(int) - aligned.image).mean() < 4
    expected = (aligned.landmarks / 48) * side + (left, top)
    np.testing.assert_allclose(photo.portrait.landmarks, expected, atol=0.05)


def test_photos_differ_by_seed_and_repeat():
    person = sample_people(1, 0)[0]
    a, b, c = (draw_photo(person, seed, 64) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a.portrait.image, b.portrait.image)
    assert a.crop != c.crop
    assert not torch.equal(a.camera, c.camera)


def test_bad_sizes_are_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="size"):
        draw_photo(sample_people(1, 0)[0], 0, 16)
    with pytest.raises(InvalidArgumentError, match="count"):
        write_sample_portraits(str(tmp_path), 0, 0)
