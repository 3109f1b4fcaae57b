"""dlib's face recognition in torch: its numbers, its alignment, its gradients."""

import json

import pytest
import torch
from torch.nn import functional as F

from itportrait.errors import InvalidArgumentError, ItportraitError
from itportrait.image import to_tensor
from itportrait.perception.face_resnet import (
    ALIGNED,
    TEMPLATE,
    FaceResnet,
    FaceResnetModel,
    cut_face,
    similarity,
)
from itportrait.perception.identity import load_identity
from itportrait.published.dlib_face import convert_dlib_face
from itportrait.published.store import find_weights
from tests.helpers.dlib_files import small_network
from tests.helpers.dlib_numbers import GOLDEN, chip
from tests.helpers.faces import photos, shares

STAGES = (4, 6), (1, 1)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A network of the published kind with few filters, and what it was written from."""
    folder = tmp_path_factory.mktemp("small")
    data, convolutions, head = small_network(*STAGES)
    (folder / "net.dat").write_bytes(data)
    convert_dlib_face(folder / "net.dat", folder / "net.safetensors", stages=STAGES)
    return load_identity(folder / "net.safetensors"), convolutions, torch.as_tensor(head)


@pytest.fixture(scope="module")
def published():
    """The published network, where this machine has it."""
    try:
        return load_identity(find_weights("dlib-face"))
    except ItportraitError as error:
        pytest.skip(str(error))


def test_a_small_network_computes_what_its_layers_say(small):
    model, convolutions, head = small
    assert isinstance(model, FaceResnetModel)
    face = torch.rand(2, 3, 150, 150, generator=torch.Generator().manual_seed(0)) * 2 - 1

    def convolved(x, number, **options):
        weight, bias, factor, addend = (torch.as_tensor(part) for part in convolutions[number])
        x = F.conv2d(x, weight, bias, **options)
        return x * factor[:, None, None] + addend[:, None, None]

    mean = torch.tensor([122.782, 117.001, 104.298])[:, None, None]
    x = F.relu(convolved(((face + 1) * 127.5 - mean) / 256, 0, stride=2))
    x = F.max_pool2d(x, 3, 2)
    x = F.relu(x + convolved(F.relu(convolved(x, 1, padding=1)), 2, padding=1))
    change = convolved(F.relu(convolved(x, 3, stride=2)), 4, padding=1)
    x = F.relu(change + F.pad(F.avg_pool2d(x, 2), (0, 0, 0, 0, 0, 2)))
    with torch.no_grad():
        torch.testing.assert_close(model.network(face), x.mean((2, 3)) @ head, rtol=1e-4, atol=1e-5)


def test_a_branch_that_ends_a_pixel_smaller_is_filled_up_with_zeros():
    network = FaceResnet((3, 4, 5, 6, 6), (1, 1, 1, 1, 1), 8)
    sides = []
    for block in network.blocks:
        block.register_forward_hook(lambda block, given, result: sides.append(result.shape[-1]))
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 150, 150)).shape == (1, 8)
    assert sides == [35, 17, 8, 4, 2]


def test_embeddings_are_unit_and_differentiable(small):
    model = small[0]
    image = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(1)) * 2 - 1
    image.requires_grad_()
    five = torch.tensor(ALIGNED).expand(2, -1, -1)
    embedding = model.embed(image, five)
    torch.testing.assert_close(embedding, model.embed(image))
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))
    embedding[:, 0].sum().backward()
    assert torch.isfinite(image.grad).all()
    assert image.grad.abs().max() > 0
    with pytest.raises(InvalidArgumentError, match=r"\[2, 5, 2\]"):
        model.embed(image, five[:1])


def test_the_five_points_come_to_lie_on_the_template():
    template = torch.tensor(TEMPLATE, dtype=torch.float64)
    turn = torch.tensor([[0.8, -0.6], [0.6, 0.8]], dtype=torch.float64)
    points = 150 * 1.7 * template @ turn.T + torch.tensor([40.0, -7.0])
    matrix = similarity(points)
    torch.testing.assert_close(matrix[:, :2], 1.7 * turn)
    torch.testing.assert_close(150 * template @ matrix[:, :2].T + matrix[:, 2], points)


def test_a_face_is_cut_where_its_points_are_and_black_outside():
    ramp = torch.linspace(-1, 1, 150).expand(1, 3, 150, 150)
    five = torch.tensor(TEMPLATE)[None]
    torch.testing.assert_close(cut_face(ramp, five), ramp, atol=1e-4, rtol=0)
    moved = cut_face(ramp, five + torch.tensor([0.2, 0.0]))  # the face lies 30 pixels to the right
    torch.testing.assert_close(moved[..., :110], ramp[..., 30:140], atol=2e-3, rtol=0)
    assert moved[..., 125:].max() == -1
    larger = F.interpolate(ramp, (600, 600), mode="bilinear")
    torch.testing.assert_close(cut_face(larger, five), ramp, atol=0.02, rtol=0)


@pytest.mark.parametrize("points", [None, torch.zeros(0, 5, 2)])
def test_no_picture_has_no_numbers(small, points):
    assert cut_face(torch.zeros(0, 3, 64, 64), points).shape == (0, 3, 150, 150)
    assert small[0].embed(torch.zeros(0, 3, 64, 64), points).shape[0] == 0


@pytest.mark.weights
def test_the_numbers_are_those_of_dlib(published):
    golden = json.loads(GOLDEN.read_text())["numbers"]
    assert len(golden) == 10
    for name, (photo, points) in photos().items():
        with torch.no_grad():
            own = published.network(to_tensor(chip(photo, points))[None])[0]
            five = torch.as_tensor(shares(points), dtype=torch.float32)[None]
            embedding = published.embed(to_tensor(photo)[None], five)[0]
        same, whole = (torch.tensor(golden[name][cut]) for cut in ("our_cut", "own_cut"))
        assert F.cosine_similarity(own, same, dim=0) > 0.99999
        assert F.cosine_similarity(embedding, whole, dim=0) > 0.9999  # with dlib's own cut
