"""Things before drawn faces: what is hidden is exactly what the mask says."""

import numpy as np
import pytest

from itportrait.errors import InvalidArgumentError
from itportrait.ingest import list_sources
from itportrait.mini.occluders import OCCLUDERS, cover
from itportrait.mini.samples import draw_photo, write_sample_portraits
from itportrait.photos.masks import read_mask
from itportrait.portraits import HELD_OUT_SEED, sample_people

PERSON = sample_people(1, HELD_OUT_SEED)[0]


@pytest.fixture(scope="module")
def photo():
    return draw_photo(PERSON, 4, 128).portrait


@pytest.mark.parametrize("kind", OCCLUDERS)
def test_pixels_change_where_the_mask_is_not_white_and_only_there(photo, kind):
    covered = cover(photo, PERSON, kind, 1)
    changed = np.abs(covered.image.astype(int) - photo.image).max(-1) > 2
    assert not changed[covered.mask == 255].any()
    assert changed[covered.mask == 0].mean() > 0.95
    assert 0.01 < (covered.mask < 128).mean() < 0.25


@pytest.mark.parametrize("kind", OCCLUDERS)
def test_something_of_the_lower_face_is_hidden_and_both_eyes_are_seen(photo, kind):
    mask = cover(photo, PERSON, kind, 1).mask
    left, right, *_ = photo.landmarks.round().astype(int)
    assert mask[left[1], left[0]] == mask[right[1], right[0]] == 255
    face = photo.landmarks.mean(0).astype(int)
    assert (mask[face[1] : face[1] + 30, face[0] - 20 : face[0] + 20] < 128).any()


def test_covers_repeat_by_seed_and_differ_by_it(photo):
    first, same, other = (cover(photo, PERSON, "cup", seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.image, same.image)
    assert (first.mask != other.mask).any()


def test_another_thing_is_refused(photo):
    with pytest.raises(InvalidArgumentError, match="one of cup, hand"):
        cover(photo, PERSON, "hat", 1)  # type: ignore[arg-type]


def test_samples_come_with_masks_that_listing_pairs(tmp_path):
    write_sample_portraits(str(tmp_path / "covered"), 2, HELD_OUT_SEED, 96, covered="hand")
    write_sample_portraits(str(tmp_path / "bare"), 2, HELD_OUT_SEED, 96)
    sources = list(list_sources([str(tmp_path / "covered")]))
    assert len(sources) == 2
    for source in sources:
        mask = read_mask(source)
        assert mask is not None
        assert 0 < (mask.values < 128).mean() < 0.3
    truths = [(tmp_path / name / "truth.parquet").read_bytes() for name in ("covered", "bare")]
    assert truths[0] == truths[1]
