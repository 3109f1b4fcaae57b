import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from itportrait.errors import InvalidArgumentError, NoInputError
from itportrait.portraits.stored_depth import encode_depth
from itportrait.pretrain.training.data import pairs_across, read_portraits


def write_dataset(folder, *, domains, people=3, views=2, seed=1, side=8):
    """Write a dataset in the format of `itportrait.pretrain.dataset`, one shard for each domain."""
    folder.mkdir(parents=True)
    header = {"spec": {"people_seed": seed}, "domains": list(domains)}
    (folder / "dataset.json").write_text(json.dumps(header))
    for index in range(len(domains)):
        count = people * views
        image = np.zeros((count, side, side, 3), np.uint8)
        image[..., 1] = 10 * index + np.arange(count)[:, None, None]
        depth = np.full((count, side, side), 2.5, np.float32)
        arrays = {
            "image": image,
            "depth": encode_depth(depth, np.ones_like(depth)),
            "alpha": np.full((count, side, side), 255, np.uint8),
            "camera": np.zeros((count, 25), np.float32),
            "latent": np.zeros((count, 64), np.float32),
            "person": np.repeat(np.arange(people, dtype=np.int32), views),
            "view": np.tile(np.arange(views, dtype=np.int16), people),
            "domain": np.full(count, index, np.int16),
        }
        captions = json.dumps([[f"row {row}"] for row in range(count)])
        path = folder / f"shard-{index:05d}.safetensors"
        save_file(arrays, str(path), metadata={"captions": captions})


def test_rows_keep_their_values_and_names(tmp_path):
    write_dataset(tmp_path / "a", domains=("photo", "clay"))
    data = read_portraits(tmp_path / "a", geometry=True)
    assert data.domains == ("photo", "clay")
    assert len(data) == 12
    assert data.image.shape == (12, 3, 8, 8)
    assert data.image[7, 1, 0, 0] == 11
    assert data.captions[7] == ["row 1"]
    assert torch.allclose(data.depths(torch.tensor([0])), torch.tensor(2.5), atol=1e-4)
    assert float(data.floats(torch.tensor([0])).max()) == -1


def test_domains_are_filtered_and_people_of_one_seed_meet(tmp_path):
    write_dataset(tmp_path / "photos", domains=("photo",), seed=5)
    write_dataset(tmp_path / "styles", domains=("clay", "bronze"), views=1, seed=5)
    write_dataset(tmp_path / "others", domains=("photo",), seed=6)
    data = read_portraits(tmp_path / "photos", tmp_path / "styles", domains=("photo", "bronze"))
    assert set(data.domain.tolist()) == {0, 2}
    pairs = pairs_across(data, "photo", "bronze")
    assert len(pairs) == 3
    assert torch.equal(data.person[pairs[:, 0]], data.person[pairs[:, 1]])
    both = read_portraits(tmp_path / "photos", tmp_path / "others")
    assert len(both.person.unique()) == 6
    with pytest.raises(InvalidArgumentError, match="drawn in both photo and clay"):
        pairs_across(data, "photo", "clay")


def test_groups_hold_the_views_of_one_person(tmp_path):
    write_dataset(tmp_path / "a", domains=("photo", "clay"), people=4, views=3)
    data = read_portraits(tmp_path / "a")
    groups = data.groups()
    assert groups.shape == (8, 3)
    for row in groups:
        assert len(data.person[row].unique()) == len(data.domain[row].unique()) == 1
        assert sorted(data.view[row].tolist()) == [0, 1, 2]


def test_a_spread_is_even_and_has_no_row_twice(tmp_path):
    write_dataset(tmp_path / "a", domains=("photo",), people=4, views=3)
    data = read_portraits(tmp_path / "a")
    assert data.spread(4).tolist() == [0, 3, 7, 11]
    assert data.spread(100).tolist() == list(range(12))


def test_no_shards_names_the_places_and_the_remedy(tmp_path):
    with pytest.raises(NoInputError, match=r"nowhere.*pretrain_mini"):
        read_portraits(tmp_path / "nowhere")


def test_depth_needs_geometry(tmp_path):
    write_dataset(tmp_path / "a", domains=("photo",))
    with pytest.raises(InvalidArgumentError, match="geometry=True"):
        read_portraits(tmp_path / "a").depths(torch.tensor([0]))
