"""Batches of codes: shapes, rows, records."""

import numpy as np
import pytest
import torch

from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import frontal_camera
from itportrait.records import InvertedRecord
from itportrait.styles import Codes, WeightDelta
from tests.helpers.tiny_family import tiny_bundle


def codes_of(count, deltas=None):
    ws = torch.arange(count * 6.0).view(count, 2, 3)
    return Codes(ws, frontal_camera().expand(count, -1), deltas)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (slice(1, 3), [1, 2]),
        (slice(None, None, 2), [0, 2]),
        ([2, 0], [2, 0]),
        (torch.tensor([3]), [3]),
        ([], []),
    ],
)
def test_rows_keep_code_camera_and_delta_together(rows, expected):
    deltas = tuple(WeightDelta({"a": torch.tensor([float(row)])}) for row in range(4))
    part = codes_of(4, deltas)[rows]
    assert len(part) == len(expected)
    assert part.ws[:, 0, 0].tolist() == [6.0 * row for row in expected]
    assert [delta.changes["a"].item() for delta in part.deltas] == expected
    assert codes_of(4)[rows].deltas is None


def test_split_gives_all_rows_in_order():
    assert [len(part) for part in codes_of(5).split(2)] == [2, 2, 1]
    assert torch.equal(torch.cat([part.ws for part in codes_of(5).split(2)]), codes_of(5).ws)


def test_other_cameras_for_the_same_portraits():
    camera = frontal_camera() * 2
    seen = codes_of(3, (None, WeightDelta({}), None)).seen_from(camera)
    assert torch.equal(seen.cameras, camera.expand(3, -1))
    assert seen.deltas[1] is not None
    assert torch.equal(seen.to("cpu").ws, codes_of(3).ws)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((torch.zeros(2, 3), frontal_camera()), r"ws must be \[N, num_ws, w_dim\], got \[2, 3\]"),
        ((torch.zeros(2, 2, 3), torch.zeros(2, 16)), r"camera must be of shape \[N, 25\]"),
        ((torch.zeros(2, 2, 3), frontal_camera()), "cameras must be 2, as many as ws, got 1"),
        (
            (torch.zeros(1, 2, 3), frontal_camera(), (None, None)),
            "deltas must be 1, as many as ws, got 2",
        ),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(values, message):
    with pytest.raises(InvalidArgumentError, match=message):
        Codes(*values)


def test_records_become_codes_or_say_what_they_lack():
    generator = tiny_bundle().generator
    w_plus = np.arange(generator.num_ws * generator.w_dim, dtype=np.float32)
    camera = frontal_camera()[0].numpy()
    good = InvertedRecord(record_id="a", w_plus=w_plus, camera=camera)
    codes = Codes.of([good, good], generator)
    assert codes.ws.shape == (2, generator.num_ws, generator.w_dim)
    assert codes.ws[1].flatten().tolist() == w_plus.tolist()
    for changes, message in (
        ({"w_plus": w_plus[:-1]}, "invert with the same bundle"),
        ({"w_plus": None}, "w_plus must be .* values, got none"),
        ({"camera": None}, "camera must be"),
    ):
        values = {"record_id": "a", "w_plus": w_plus, "camera": camera, **changes}
        with pytest.raises(InvalidArgumentError, match=message):
            Codes.of([good, InvertedRecord(**values)], generator)
