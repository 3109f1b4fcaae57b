"""Styles of weights: strength, blends, files, and the base they belong to."""

import copy
import json

import pytest
import torch

from itportrait.adapt.layers import trained_names
from itportrait.errors import CheckpointError, InvalidArgumentError, OutputError
from itportrait.styles import WeightStyle, mix_weight_styles
from tests.helpers.tiny_family import tiny_bundle


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


def changed(generator, preset_prefix, seed, size=0.1):
    """Return a copy with noise on the tensors under a prefix."""
    copied = copy.deepcopy(generator)
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in copied.named_parameters():
            if name.startswith(preset_prefix):
                value += size * torch.randn(value.shape, generator=rng)
    return copied


def style_of(bundle, seed=0, name="red", **kwargs):
    adapted = changed(bundle.generator, "backbone.synthesis.", seed)
    style = WeightStyle.between(
        bundle.generator,
        adapted,
        names=trained_names(bundle.generator, "synthesis_sr"),
        domain=name,
        base_model_id=bundle.model_id,
        **kwargs,
    )
    return style, adapted


def weights(generator):
    return dict(generator.named_parameters())


def test_strength_zero_is_the_base_and_one_the_adapted(bundle):
    style, adapted = style_of(bundle)
    base = weights(style.apply(bundle.generator, 0.0))
    full = weights(style.apply(bundle.generator, 1.0))
    for name, value in weights(bundle.generator).items():
        assert torch.equal(base[name], value)
    for name, value in weights(adapted).items():  # the stored difference is rounded once
        torch.testing.assert_close(full[name], value, atol=1e-7, rtol=2e-7)


def test_strength_is_linear_and_goes_past_one(bundle):
    style, _ = style_of(bundle)
    name = next(iter(style.delta))
    base = weights(bundle.generator)[name]
    for strength in (0.5, 2.0, -1.0):
        styled = weights(style.apply(bundle.generator, strength))[name]
        torch.testing.assert_close(styled, base + strength * style.delta[name])
    torch.testing.assert_close(
        weights(style.scaled(0.5).apply(bundle.generator))[name],
        base + 0.5 * style.delta[name],
    )


def test_the_base_is_not_touched_and_the_result_is_frozen(bundle):
    before = copy.deepcopy(bundle.generator.state_dict())
    styled = style_of(bundle)[0].apply(bundle.generator)
    assert all(torch.equal(before[k], v) for k, v in bundle.generator.state_dict().items())
    assert not any(parameter.requires_grad for parameter in styled.parameters())


def test_blends(bundle):
    first, second = style_of(bundle, 1)[0], style_of(bundle, 2, "blue")[0]
    name = next(iter(first.delta))
    blend = mix_weight_styles([(first, 0.75), (second, 0.25)])
    torch.testing.assert_close(
        blend.delta[name], 0.75 * first.delta[name] + 0.25 * second.delta[name]
    )
    assert blend.domain == "0.75*red+0.25*blue"
    partial = WeightStyle("part", bundle.model_id, {"decoder.x": torch.ones(2)})
    assert set(mix_weight_styles([(first, 1), (partial, 1)]).delta) == {*first.delta, "decoder.x"}
    with pytest.raises(InvalidArgumentError, match="at least one style"):
        mix_weight_styles([])


def test_another_base_is_refused(bundle):
    style, _ = style_of(bundle)
    with pytest.raises(InvalidArgumentError, match=r"tiny-0.*got other.*adapt the domain again"):
        style.apply(bundle.generator, model_id="other")
    foreign = WeightStyle("blue", "other", dict(style.delta))
    with pytest.raises(InvalidArgumentError, match="base model"):
        mix_weight_styles([(style, 1), (foreign, 1)])
    misfit = WeightStyle("odd", bundle.model_id, {"backbone.absent": torch.ones(1)})
    with pytest.raises(InvalidArgumentError, match=r"backbone\.absent"):
        misfit.apply(bundle.generator)


def test_files(bundle, tmp_path):
    style, _ = style_of(bundle, info={"step": 25, "metrics": {"identity": 0.8}})
    path = style.save(tmp_path / "bank" / "red")
    for source in (path, path.parent):
        loaded = WeightStyle.load(source)
        assert (loaded.domain, loaded.base_model_id) == ("red", "tiny-0")
        assert loaded.info == style.info
        assert all(torch.equal(loaded.delta[name], value) for name, value in style.delta.items())
    assert json.loads((path.parent / "domain.json").read_text())["step"] == 25


@pytest.mark.parametrize("keep", [0, 5, 100, -10])
def test_truncated_files_are_refused(bundle, tmp_path, keep):
    path = style_of(bundle)[0].save(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"adapter\.safetensors: truncated"):
        WeightStyle.load(path)


def test_an_absent_file_and_an_unwritable_folder(bundle, tmp_path):
    with pytest.raises(CheckpointError, match="cannot read the style"):
        WeightStyle.load(tmp_path / "nothing.safetensors")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        style_of(bundle)[0].save(tmp_path / "file")
