"""Photos beside renders: what a mask hides is the render's."""

import numpy as np
import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.records import AlignedRecord
from itportrait.stylize.photos import masked_photos


def record(**values):
    return AlignedRecord(record_id="a", uri="a.png", camera=np.zeros(25, np.float32), **values)


def test_hidden_parts_are_taken_from_the_render_and_all_has_its_size():
    white = np.full((16, 16, 3), 255, np.uint8)
    mask = np.zeros((16, 16), np.uint8)
    mask[:, :8] = 255
    renders = torch.full((2, 3, 8, 8), -1.0)
    plain, masked = masked_photos([record(pixels=white), record(pixels=white, mask=mask)], renders)
    assert torch.equal(plain, torch.ones(3, 8, 8))
    assert masked[:, :, :3].min() == pytest.approx(1, abs=1e-6)
    assert masked[:, :, 5:].max() == pytest.approx(-1, abs=1e-6)


def test_a_record_without_pixels_is_refused():
    with pytest.raises(InvalidArgumentError, match="records with pixels, got none in a"):
        masked_photos([record()], torch.zeros(1, 3, 8, 8))
