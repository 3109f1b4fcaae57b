"""Sets by name: trained layers, and rows of a code."""

import pytest

from itportrait.adapt.layers import row_set, scale_rows, shared_rows, trained_names
from itportrait.errors import InvalidArgumentError, UnknownNameError


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


def test_published_rows_are_kept_at_14():
    assert row_set("style_rows", 14) == tuple(range(7, 14))
    assert row_set("preserve_color", 14) == (7, 9, 12, 13)
    assert shared_rows(None, 14) == 9


def test_rows_scale_to_the_embedded_generator():
    assert row_set("style_rows", 10) == (5, 6, 7, 8, 9)
    assert set(row_set("preserve_color", 10)) < set(row_set("style_rows", 10))
    assert shared_rows(None, 10) == 6
    assert scale_rows([13], 6)[-1] == 5


def test_own_rows_are_checked():
    assert row_set([0, 3], 10) == (0, 3)
    with pytest.raises(InvalidArgumentError, match=r"0\.\.9"):
        row_set([10], 10)
    with pytest.raises(UnknownNameError, match="preserve_color"):
        row_set("color", 10)
    with pytest.raises(InvalidArgumentError, match="shared_rows"):
        shared_rows(11, 10)
