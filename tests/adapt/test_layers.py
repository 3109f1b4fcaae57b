"""Sets by name: trained layers, and rows of a code."""

from types import SimpleNamespace

import pytest

from itportrait.adapt.layers import row_set, shared_rows, trained_names
from itportrait.errors import InvalidArgumentError, UnknownNameError
from itportrait.generator.rows import row_sets, scale_rows


@pytest.mark.parametrize(
    ("preset", "inside", "outside"),
    [
        ("synthesis_sr", {"backbone", "superresolution", "background"}, {"decoder"}),
        ("planes_only", {"backbone"}, {"superresolution", "decoder", "background"}),
        ("decoder_sr", {"decoder", "superresolution", "background"}, {"backbone"}),
        ("all", {"backbone", "decoder", "superresolution", "background"}, set()),
    ],
)
def test_presets(bundle, preset, inside, outside):
    names = trained_names(bundle.generator, preset)
    heads = {name.split(".")[0] for name in names}
    assert heads == inside
    assert not heads & outside
    assert not any("mapping" in name for name in names)


def test_an_unknown_preset_lists_the_known(bundle):
    with pytest.raises(UnknownNameError, match="synthesis_sr"):
        trained_names(bundle.generator, "everything")


def rows_of(num_ws):
    return SimpleNamespace(num_ws=num_ws, row_sets=row_sets(num_ws))


def test_published_rows_are_kept_at_14():
    assert row_set("style_rows", rows_of(14)) == tuple(range(7, 14))
    assert row_set("preserve_color", rows_of(14)) == (7, 9, 12, 13)
    assert shared_rows(None, rows_of(14)) == 9


def test_rows_scale_to_the_embedded_generator(bundle):
    ten = rows_of(10)
    assert row_set("style_rows", ten) == (5, 6, 7, 8, 9)
    assert set(row_set("preserve_color", ten)) < set(row_set("style_rows", ten))
    assert shared_rows(None, ten) == 6
    assert scale_rows([13], 6)[-1] == 5
    assert bundle.generator.row_sets == row_sets(bundle.generator.num_ws)


def test_colors_rows_are_measured_for_the_embedded_family_and_published_elsewhere():
    assert row_sets(10)["color_rows"] == (9,)
    assert row_sets(14)["color_rows"] == (8, 10, 11)


def test_own_rows_are_checked():
    ten = rows_of(10)
    assert row_set([0, 3], ten) == (0, 3)
    with pytest.raises(InvalidArgumentError, match=r"0\.\.9"):
        row_set([10], ten)
    with pytest.raises(UnknownNameError, match="preserve_color"):
        row_set("color", ten)
    with pytest.raises(InvalidArgumentError, match="shared_rows"):
        shared_rows(11, ten)
