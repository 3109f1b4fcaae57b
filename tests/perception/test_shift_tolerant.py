"""LPIPS with blurred pooling: by hand, as converted from a file, and with published weights."""

import pytest
import torch
from skimage import data
from torch.nn import functional as F

from itportrait.errors import CheckpointError, InvalidArgumentError, ItportraitError
from itportrait.image import to_tensor
from itportrait.perception.perceptual import load_lpips
from itportrait.perception.shift_tolerant import BlurredVgg, ShiftTolerantModel, pool_blurred
from itportrait.published.stlpips import convert_stlpips
from itportrait.published.store import find_weights

STAGES = (4, 6, 6), (1, 2, 1)


def published_names(network):
    """Return the tensors of a network under the names of the package."""
    line = torch.tensor([1.0, 2.0, 1.0]) / 4
    tensors, place = {}, 0
    for stage, convolutions in enumerate(network.stages):
        if stage:
            inputs = network.stages[stage][0].in_channels
            blur = (line[:, None] * line).expand(inputs, 1, 3, 3).contiguous()
            tensors[f"net.slice{stage + 1}.{place + 1}.filt"] = blur
            place += 2
        for convolution in convolutions:
            tensors[f"net.slice{stage + 1}.{place}.weight"] = convolution.weight.data
            tensors[f"net.slice{stage + 1}.{place}.bias"] = convolution.bias.data
            place += 2
        tensors[f"lin{stage}.model.1.weight"] = network.heads[stage].data[None, :, None, None]
    tensors["scaling_layer.shift"] = network.shift[None, :, None, None]
    tensors["scaling_layer.scale"] = network.scale[None, :, None, None]
    return tensors


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = BlurredVgg(*STAGES).eval().requires_grad_(False)
    for head in network.heads:
        head.copy_(torch.rand(len(head)))
    network.shift.copy_(torch.tensor([-0.03, -0.09, -0.19]))
    network.scale.copy_(torch.tensor([0.46, 0.45, 0.45]))
    return network


@pytest.fixture
def image():
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_blurred_pooling_by_hand():
    x = torch.zeros(1, 1, 4, 4)
    x[..., 1, 1] = 16.0
    # the largest of 2 x 2 is 16, 16, 0 along both sides, mirrored 16, 16, 16, 0, 16: of a line the
    # blur gives 16 at its first place and 8 at its third
    expected = torch.tensor([[16.0, 8.0], [8.0, 4.0]])
    torch.testing.assert_close(pool_blurred(x), expected[None, None])


def test_a_converted_file_gives_the_same_features_and_distances(network, image, tmp_path):
    torch.save(published_names(network), tmp_path / "vgg.pth")
    convert_stlpips(tmp_path / "vgg.pth", tmp_path / "vgg.safetensors", stages=STAGES)
    model = load_lpips(tmp_path / "vgg.safetensors")
    assert isinstance(model, ShiftTolerantModel)
    other = image.flip(0)
    expected = torch.zeros(3)
    first, second = network(image), network(other)
    for x, y, head in zip(first, second, network.heads, strict=True):
        change = (F.normalize(x, dim=1, eps=1e-6) - F.normalize(y, dim=1, eps=1e-6)).square()
        expected += (change * head[:, None, None]).sum(1).mean((1, 2))
    torch.testing.assert_close(model.distance(image, other, size=64), expected)
    assert torch.equal(model.distance(image, image), torch.zeros(3))
    assert model.embed(image).shape == (3, 12)
    image.requires_grad_()
    model.distance(image, other).sum().backward()
    assert image.grad.abs().max() > 0
    with pytest.raises(InvalidArgumentError, match="3 pictures"):
        model.distance(image, image[:2])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("net.slice2.4.bias"), r"lacks net\.slice2\.4\.bias"),
        (lambda t: t["net.slice2.3.filt"].fill_(1.0), "blurred by another kernel"),
        (lambda t: t.update({"lin0.model.1.weight": torch.zeros(1, 9, 1, 1)}), r"heads\.0 \[9\]"),
    ],
)
def test_another_network_is_refused(change, words, network, tmp_path):
    tensors = {name: value.clone() for name, value in published_names(network).items()}
    change(tensors)
    torch.save(tensors, tmp_path / "vgg.pth")
    with pytest.raises(CheckpointError, match=words):
        convert_stlpips(tmp_path / "vgg.pth", tmp_path / "vgg.safetensors", stages=STAGES)
    assert not (tmp_path / "vgg.safetensors").exists()


@pytest.mark.weights
def test_published_weights_bear_a_shift_and_see_a_change():
    try:
        model = load_lpips(find_weights("stlpips-vgg"))
    except ItportraitError as error:
        pytest.skip(str(error))
    photo = to_tensor(data.astronaut())[None]
    here, shifted = photo[..., 64:192, 160:288], photo[..., 65:193, 161:289]
    noise = torch.randn(here.shape, generator=torch.Generator().manual_seed(0))
    blurred = F.avg_pool2d(here, 5, 1, 2, count_include_pad=False)
    with torch.no_grad():
        shift, noisy, blur = (
            float(model.distance(here, other, size=128))
            for other in (shifted, here + 0.2 * noise, blurred)
        )
    assert shift < 0.1
    assert min(noisy, blur) > 3 * shift
