"""jojogan+styleclip: the copy of jojogan alone, with an edit over it in either form."""

from types import SimpleNamespace

import pytest
import torch

from itportrait.adapt import AdaptConfig
from itportrait.styles import StackedStyle, WeightStyle, read_style
from tests.helpers.method_runs import recorded, same

RELEVANCE = {"samples": 1, "statistics_samples": 64}
PARTS = {
    "directions": {"directions": {"beta": 0.0, "relevance": RELEVANCE}},
    "optimization": {"optimization": {"steps": 4}},
}


@pytest.fixture(scope="module")
def colors(bundle, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ITPORTRAIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield SimpleNamespace(**{**vars(bundle), "directory": tmp_path_factory.mktemp("colors")})


def adapted(bundle, make_spec, reference, method, options, state=None):
    options = {"learning_rate": 0.01, **options}
    spec = make_spec("image_text" if "+" in method else "image", method=method, steps=4,
                     options=options)  # fmt: skip
    config = AdaptConfig.parse({"probe": {"every": 2, "count": 2, "images": 0}})
    result, _, states = recorded(bundle, spec, config, [reference], resume_state=state)
    return result, states


@pytest.mark.parametrize("form", PARTS)
def test_it_is_jojogans_copy_with_the_edit_over_it(colors, make_spec, reference, form):
    options = {"jojogan": {"pair": {"steps": 1}}, "styleclip": {"form": form, **PARTS[form]}}
    both, states = adapted(colors, make_spec, reference, "jojogan+styleclip", options)
    alone, _ = adapted(colors, make_spec, reference, "jojogan", {"pair": {"steps": 1}})
    assert both.step == alone.step
    style, base = both.style, alone.style
    if form == "optimization":
        assert isinstance(style, StackedStyle)
        below, shift = style.below, {}
    else:
        assert isinstance(style, WeightStyle)
        below = style
        shift = {name: style.delta[name] - base.delta[name] for name in style.delta}
        shift = {name: change for name, change in shift.items() if change.any()}
        assert all(name.endswith(".affine.bias") and "torgb" not in name for name in shift)
        assert len(shift) > 5
    assert set(below.delta) == set(base.delta)
    for name in base.delta:
        if name not in shift:
            assert torch.equal(below.delta[name], base.delta[name])
    assert read_style(style.to_bytes()).kind == style.kind
    again, _ = adapted(colors, make_spec, reference, "jojogan+styleclip", options, states[0])
    assert same(again.style, style)
