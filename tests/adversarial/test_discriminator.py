"""Both forms see the picture, the raw version and the camera; the first has the published size."""

from dataclasses import replace

import pytest
import torch

from itportrait.adversarial import AdversarialConfig
from itportrait.adversarial.discriminator import (
    LearnedDiscriminator,
    PerceptualDiscriminator,
    make_discriminator,
)
from itportrait.adversarial.parts import Convolution, draw_weights, with_spread
from itportrait.adversarial.shown import Shown
from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import look_at_camera


def drawn(config, bundle, side=32):
    network = make_discriminator(config, side, bundle.perceptual)
    draw_weights(network, torch.Generator().manual_seed(3))
    return network


@pytest.mark.parametrize("features", ["learned", "perceptual"])
def test_scores_depend_on_picture_raw_version_and_camera(
    config, bundle, pictures, cameras, features
):
    network = drawn(config.model_copy(update={"features": features}), bundle)
    shown = Shown.real(pictures(0.2), cameras, side=32, raw_side=8)
    scores = network(shown)
    assert scores.shape[0] == 4
    assert bool(torch.isfinite(scores).all())
    others = {
        "image": shown.image.flip(3),
        "image_raw": shown.image_raw.flip(3),
        "cameras": look_at_camera(torch.full((4,), 0.6), 0.0),
    }
    for name, value in others.items():
        assert not torch.allclose(network(replace(shown, **{name: value})), scores, atol=1e-4), name


def test_the_published_network_has_the_published_layers():
    with torch.device("meta"):
        network = LearnedDiscriminator(AdversarialConfig(), 512)
    widths = [block.conv1.weight.shape[:2] for block in network.blocks]
    assert widths == [(128, 64), (256, 128), (512, 256), *[(512, 512)] * 4]
    assert network.from_rgb.weight.shape == (64, 6, 1, 1)
    assert network.conv.weight.shape == (512, 513, 3, 3)
    assert len(network.mapping.layers) == 8


def test_the_frozen_network_is_neither_trained_nor_kept(config, bundle):
    network = drawn(config.model_copy(update={"features": "perceptual"}), bundle)
    assert isinstance(network, PerceptualDiscriminator)
    ours = {id(p) for p in network.parameters()}
    assert not ours & {id(p) for p in bundle.perceptual.parameters()}
    assert all(name.startswith("heads.") for name in network.state_dict())


def test_a_convolution_that_halves_keeps_the_mean_of_even_pictures():
    for size in (1, 3):
        layer = Convolution(1, 1, size, down=True, activate=False)
        torch.nn.init.constant_(layer.weight, 1.0)
        out = layer(torch.ones(1, 1, 8, 8))
        assert out.shape == (1, 1, 4, 4)
        torch.testing.assert_close(out[0, 0, 1:3, 1:3], torch.full((2, 2), float(size)))


def test_the_spread_is_that_of_groups():
    x = torch.zeros(4, 2, 1, 1)
    x[2:] = 2.0  # groups of two are made of pictures 0 and 2, 1 and 3: each differs by 2
    torch.testing.assert_close(with_spread(x, 2)[:, 2].flatten(), torch.ones(4))
    x = torch.tensor([0.0, 0.0, 0.0, 4.0]).view(4, 1, 1, 1)
    torch.testing.assert_close(with_spread(x, 2)[:, 1].flatten(), torch.tensor([1e-4, 2, 1e-4, 2]))
    assert with_spread(x[:3], 2)[:, 1].abs().max() < 1e-3  # one picture alone has no spread


def test_pictures_and_cameras_must_be_of_one_batch(pictures, cameras):
    with pytest.raises(InvalidArgumentError, match=r"image_raw must be .*one for each camera"):
        Shown(pictures(0), pictures(0, count=3, side=8), cameras)
