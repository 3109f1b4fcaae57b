"""What is measured of style space: against a change made by hand, and kept for the next time."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from itportrait.adapt.sampling import random_codes
from itportrait.bundle import load_bundle
from itportrait.bundle.spec import RELEVANCES_FOLDER, hash_files
from itportrait.editing.styleclip import relevances as module
from itportrait.editing.styleclip.config import RelevanceConfig, StyleclipConfig
from itportrait.editing.styleclip.relevances import load_relevances, relevance_key
from itportrait.editing.styleclip.space import style_layers, style_statistics
from itportrait.errors import CheckpointError
from itportrait.learning.seeds import step_rng
from tests.editing.styleclip.conftest import FEW


def outputs(generator, layers, ws, camera, change=None):
    """Render codes; return the styles that the convolutions got, and the picture."""
    seen, handles = {}, []

    def watch(layer):
        def hook(_module, _inputs, output):
            if change and change[0] in layer.channels:
                output = output.clone()
                output[:, change[0] - layer.channels.start] = change[1]
            seen[layer.name] = output
            return output

        return hook

    for layer in layers:
        handles.append(generator.get_submodule(layer.name).register_forward_hook(watch(layer)))
    image = generator.synthesize(ws, camera).final_image
    for handle in handles:
        handle.remove()
    return torch.cat([seen[layer.name] for layer in layers], 1), image


def test_style_space_is_what_the_convolutions_get(tiny):
    generator, layers = tiny.generator, style_layers(tiny.generator)
    affine = [name for name, _ in generator.named_modules() if name.endswith(".affine")]
    assert [layer.name for layer in layers] == [name for name in affine if "torgb" not in name]
    ws = random_codes(tiny, 6, step_rng(1, 0, 0))
    ws = ws + 0.1 * torch.randn(ws.shape, generator=step_rng(2, 0, 0))  # rows of their own
    got, _ = outputs(generator, layers, ws, tiny.camera_prior.sample(6, step_rng(3, 0, 0)))
    mean, std = style_statistics(generator, layers, iter(ws.split(4)))
    torch.testing.assert_close(mean, got.mean(0))
    torch.testing.assert_close(std, got.std(0, unbiased=False), rtol=1e-3, atol=1e-5)


def test_a_channels_direction_is_that_of_pictures_changed_by_hand(tiny, found):
    layers, generator = style_layers(tiny.generator), tiny.generator
    rng = step_rng(FEW.seed, 0, 0, "rel")
    ws = random_codes(tiny, FEW.samples, rng, FEW.truncation_psi)
    cameras = tiny.camera_prior.sample(FEW.samples, rng)
    mean, std = module.statistics(tiny, FEW, layers)
    torch.testing.assert_close(found.std, std)
    clip = tiny.clips[0]
    for channel in (0, layers[2].channels.start, layers[-1].channels.stop - 1):
        ends = []
        for sign in (1, -1):
            value = mean[channel] + sign * FEW.deviations * std[channel]
            _, image = outputs(generator, layers, ws, cameras, (channel, value))
            ends.append(clip.encode_image(image))
        each = [row / row.norm().clamp_min(1e-8) for row in ends[0] - ends[1]]
        expected = torch.stack(each).mean(0)
        torch.testing.assert_close(found.directions[0][channel], expected, atol=3e-3, rtol=0)


def test_what_is_there_is_not_measured_again_and_what_is_missing_is(
    tiny, cache, found, monkeypatch
):
    measured = []
    measure = module.measure_layer

    def watched(bundle, config, layer, mean, std):
        measured.append(layer.name)
        return measure(bundle, config, layer, mean, std)

    monkeypatch.setattr(module, "measure_layer", watched)
    last = style_layers(tiny.generator)[-1].name
    kept = cache / "relevances" / relevance_key(tiny, FEW)
    assert torch.equal(load_relevances(tiny, FEW).directions[0].half(), found.directions[0].half())
    assert measured == []
    (kept / f"{last}.safetensors").unlink()
    again = load_relevances(tiny, FEW)
    assert measured == [last]
    assert torch.equal(again.directions[0], found.directions[0])
    (kept / f"{last}.safetensors").write_bytes(b"no")
    with pytest.raises(CheckpointError, match=last):
        load_relevances(tiny, FEW)
    again.save(kept / f"{last}.safetensors")
    with pytest.raises(CheckpointError, match="not the relevances of 8 channels"):
        load_relevances(tiny, FEW)
    (kept / f"{last}.safetensors").unlink()
    monkeypatch.undo()


def test_what_comes_with_a_bundle_is_read_and_is_no_part_of_its_id(
    tiny, found, tmp_path, monkeypatch
):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(module, "measure_layer", lambda *_: pytest.fail("measured"))
    before = hash_files(tiny.directory)
    ready = tiny.directory / RELEVANCES_FOLDER
    ready.mkdir()
    found.save(ready / f"{relevance_key(tiny, FEW)}.safetensors")
    assert torch.equal(load_relevances(tiny, FEW).directions[0].half(), found.directions[0].half())
    assert hash_files(tiny.directory) == before
    shutil.rmtree(ready)


def test_another_model_or_other_settings_have_other_relevances(tiny):
    keys = {relevance_key(tiny, FEW)}
    keys.add(relevance_key(tiny, RelevanceConfig.parse({**FEW.model_dump(), "deviations": 2})))
    keys.add(relevance_key(SimpleNamespace(name=tiny.name, model_id="another"), FEW))
    assert len(keys) == 3


def test_the_embedded_familys_relevances_come_with_it(monkeypatch):
    monkeypatch.setattr(module, "measure_layer", lambda *_: pytest.fail("measured"))
    bundle, config = load_bundle("mini"), StyleclipConfig(preset="mini").directions.relevance
    ready = load_relevances(bundle, config)
    assert [len(rows) for rows in ready.directions] == [1056, 1056]
    _, std = module.statistics(bundle, config, ready.layers)
    torch.testing.assert_close(ready.std, std, rtol=1e-4, atol=1e-6)
    folder = bundle.directory / RELEVANCES_FOLDER
    assert sum(path.stat().st_size for path in folder.iterdir()) < 600_000


@pytest.mark.slow
def test_the_embedded_familys_relevances_are_what_is_measured():
    bundle, config = load_bundle("mini"), StyleclipConfig(preset="mini").directions.relevance
    ready = load_relevances(bundle, config)
    mean, _ = module.statistics(bundle, config, ready.layers)
    layer = next(one for one in ready.layers if "superresolution" in one.name)
    few = replace(layer, channels=layer.channels[:2])
    part = slice(few.channels.start, few.channels.stop)
    measured = module.measure_layer(bundle, config, few, mean[part], ready.std[part])
    for rows, found in zip(ready.directions, measured, strict=True):
        torch.testing.assert_close(rows[part], found, atol=0.02, rtol=0)
