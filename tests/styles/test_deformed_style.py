"""Styles with a deformation: strength, files, blends, tuned portraits, and damaged content."""

from dataclasses import replace

import pytest
import torch

from itportrait.compared.dr3d.maps import ResidualMaps
from itportrait.errors import CheckpointError, InvalidArgumentError
from itportrait.generator.deformation import Deformation, deformed
from itportrait.geometry.camera import look_at_camera
from itportrait.styles import (
    Codes,
    DeformedStyle,
    PreparedGenerator,
    WeightDelta,
    prepare_blend,
    read_style,
)
from tests.helpers.tiny_family import tiny_bundle

LAYER = "backbone.synthesis.b16.conv1.bias"


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture(scope="module")
def codes(bundle):
    ws = torch.randn(2, bundle.generator.num_ws, bundle.generator.w_dim)
    return Codes(ws, look_at_camera(torch.tensor([-0.2, 0.3]), 0.1))


def style_of(bundle, seed=0, domain="troll"):
    rng = torch.Generator().manual_seed(seed)
    maps = ResidualMaps.of(bundle.generator, (8, 16, 32), 8)
    maps.draw_weights(rng)
    for head in maps.heads.values():
        head.weight.data.mul_(100)
    change = 0.1 * torch.randn(bundle.generator.get_parameter(LAYER).shape, generator=rng)
    weights = {LAYER: bundle.generator.get_parameter(LAYER) + change}
    return DeformedStyle.between(
        bundle.generator, weights, maps, domain=domain, base_model_id=bundle.model_id
    )


def pictures(prepared, codes):
    return prepared.render(codes).final_image


def test_strength_scales_the_deformation_and_zero_is_the_base(bundle, codes):
    style, base = style_of(bundle), PreparedGenerator(bundle.generator)
    assert torch.equal(pictures(style.prepare(bundle.generator, 0.0), codes), pictures(base, codes))
    ws = codes.ws
    half, whole = (style.make_deformation(s).features(ws)["b8"]["conv1"] for s in (0.5, 1.0))
    assert float(whole.abs().max()) > 0.1
    torch.testing.assert_close(half, whole / 2)
    weights_alone = replace(style, deformation={k: 0 * v for k, v in style.deformation.items()})
    full = pictures(style.prepare(bundle.generator), codes)
    without = pictures(weights_alone.prepare(bundle.generator), codes)
    assert not torch.allclose(full, without, atol=1e-3)


def test_what_is_added_has_rank_one_and_belongs_to_the_portrait(bundle, codes):
    added = style_of(bundle).make_deformation(1.0).features(codes.ws)
    assert {(b, layer) for b, part in added.items() for layer in part} == {
        (block, layer) for block in ("b8", "b16") for layer in ("conv0", "conv1")
    }
    for value in added["b16"].values():
        assert torch.linalg.matrix_rank(value[0].flatten(1).double(), rtol=1e-5) == 1
        assert not torch.allclose(value[0], value[1])


def test_a_file_gives_the_same_pictures(bundle, codes):
    style = style_of(bundle)
    again = read_style(style.to_bytes())
    assert isinstance(again, DeformedStyle)
    expected = pictures(style.prepare(bundle.generator, 0.7), codes)
    assert torch.equal(pictures(again.prepare(bundle.generator, 0.7), codes), expected)


def test_blends_act_together(bundle, codes):
    one, two = style_of(bundle), style_of(bundle, 1, "elf")
    alone = pictures(prepare_blend(bundle.generator, [(one, 1.0), (two, 0.0)]), codes)
    expected = pictures(one.prepare(bundle.generator), codes)
    torch.testing.assert_close(alone, expected, atol=1e-6, rtol=1e-6)
    half = prepare_blend(bundle.generator, [(one, 0.5), (two, 0.5)])
    added = half.generator.deformation.features(codes.ws)["b8"]["conv0"]
    each = [s.make_deformation(0.5).features(codes.ws)["b8"]["conv0"] for s in (one, two)]
    torch.testing.assert_close(added, each[0] + each[1])


def test_tuned_portraits_are_deformed_too(bundle, codes):
    prepared = style_of(bundle).prepare(bundle.generator)
    change = {"superresolution.block1.torgb.bias": torch.tensor([0.5, 0.0, 0.0])}
    tuned = Codes(codes.ws, codes.cameras, (WeightDelta(change), None))
    plain, changed = pictures(prepared, codes), pictures(prepared, tuned)
    torch.testing.assert_close(changed[1], plain[1])
    torch.testing.assert_close((changed[0] - plain[0])[0].mean(), torch.tensor(0.5))


def test_damaged_content_says_what_is_wrong(bundle):
    style = style_of(bundle)
    kept = style.info["deformation"]
    for info, message in (
        ({}, "does not say what its deformation is"),
        ({"deformation": {**kept, "name": "melted"}}, "install the package"),
        ({"deformation": {**kept, "settings": {"width": -1}}}, "makes no network"),
        ({"deformation": {**kept, "settings": {**kept["settings"], "w_dim": 9}}}, "misshapen"),
    ):
        with pytest.raises(CheckpointError, match=message):
            replace(style, info=info).prepare(bundle.generator)


def test_a_family_without_planes_is_refused():
    class Nothing(Deformation):
        def settings(self):
            return {}

    with pytest.raises(InvalidArgumentError, match="draws tri-planes"):
        deformed(torch.nn.Linear(1, 1), Nothing())
