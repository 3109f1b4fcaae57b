"""The sheet's layout, read from its pixels."""

import numpy as np
import pytest

from itportrait.errors import InvalidArgumentError
from itportrait.pages import contact_sheet
from tests.helpers.odd_names import NOT_UTF8, ODD_NAMES


def plain(color, height=32, width=32):
    return np.full((height, width, 3), color, np.uint8)


def test_every_picture_stands_in_its_tile():
    red, blue = (255, 0, 0), (0, 0, 255)
    sheet = contact_sheet(
        [[plain(red), plain(blue)], [plain(blue), None]], columns=["a", "b"], tile=32, gap=4
    )
    head, left = 32 // 5, 4
    for line, index, color in ((0, 0, red), (0, 1, blue), (1, 0, blue)):
        y, x = head + line * 36 + 16, left + index * 36 + 16
        assert tuple(sheet[y, x]) == color
    assert len(set(sheet[head + 36 + 16, left + 36 + 16].tolist())) == 2  # the empty tile is gray
    assert sheet.shape == (head + 2 * 36 + 4, left + 2 * 36 + 4, 3)


def test_pictures_keep_their_aspect_and_long_labels_fit():
    wide = plain((0, 255, 0), height=20, width=80)
    sheet = contact_sheet([[wide]], columns=["c"], names=["a very long file name.jpg" * 4], tile=40)
    x = 40 + 20
    column = sheet[8:48, x]
    assert (column == (0, 255, 0)).all(1).sum() == 10  # 40 x 10 inside of 40 x 40
    assert sheet.shape[1] == 40 + 46 + 6


def test_a_ragged_table_is_refused():
    with pytest.raises(InvalidArgumentError, match="2 pictures"):
        contact_sheet([[None]], columns=["a", "b"])
    with pytest.raises(InvalidArgumentError, match="1 names"):
        contact_sheet([[None]], columns=["a"], names=[])


@pytest.mark.parametrize("name", [*ODD_NAMES, *NOT_UTF8])
def test_any_name_of_a_file_is_a_label(name):
    pixels = np.zeros((8, 8, 3), np.uint8)
    sheet = contact_sheet([[pixels]], columns=[name], names=[name], tile=64)
    least = contact_sheet([[pixels]], columns=["a"], names=["a"], tile=64)
    assert sheet.shape[1] == least.shape[1]
    assert least.shape[0] <= sheet.shape[0] <= least.shape[0] + 4 * 12


def ink(sheet, box):
    """Return the rows of a part of the sheet that have letters."""
    left, top, right, bottom = box
    return (sheet[top:bottom, left:right].max(2) < 120).any(1)


def test_long_names_are_whole_on_several_lines():
    """Two names that differ in one letter in the middle look different, as they would not if
    the middle were left out."""
    pixels = np.full((8, 8, 3), 255, np.uint8)
    first = "2026-11-28_portrait_of_a_person_in_the_studio_a_final_version_0001.jpg"
    second = first.replace("_a_final", "_b_final")
    sheet, other = (
        contact_sheet([[pixels]], columns=[name], names=[name], tile=128)
        for name in (first, second)
    )
    head = sheet.shape[0] - 128 - 12
    assert (sheet[:head] != other[:head]).any()
    assert (sheet[head:, :128] != other[head:, :128]).any()
    starts = np.diff(ink(sheet, (0, head, 120, sheet.shape[0])).astype(int)) == 1
    assert 4 <= starts.sum() <= 8
    # Nothing runs over the sheet's or the tile's edge.
    assert (sheet[:, :4] > 120).all()
    assert (sheet[:2] > 120).all()


def test_a_name_too_long_for_its_tile_keeps_its_ends():
    pixels = np.full((8, 8, 3), 255, np.uint8)
    sheets = [
        contact_sheet([[pixels]], columns=["c"], names=[name], tile=48)
        for name in ("a" + 400 * "x" + "z", "a" + 400 * "x" + "y", "b" + 400 * "x" + "z")
    ]
    assert len({sheet.shape for sheet in sheets}) == 1
    assert len({sheet.tobytes() for sheet in sheets}) == 3
