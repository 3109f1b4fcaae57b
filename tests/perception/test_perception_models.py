"""Perception models: shapes, ranges, gradients, errors."""

import os
import warnings

import pytest
import torch
from torch import nn

from itportrait.errors import (
    CheckpointError,
    InvalidArgumentError,
    MissingModelError,
    UnknownNameError,
)
from itportrait.image import resize
from itportrait.perception.clip import ImageTextModel
from itportrait.perception.encoder import MAX_ANGLE, EncoderModel
from itportrait.perception.identity import (
    ExternalIdentityModel,
    MiniIdentityModel,
    load_identity,
)
from itportrait.perception.perceptual import (
    LpipsModel,
    PerceptualModel,
    feature_distance,
    load_lpips,
)
from itportrait.perception.trunk import ConvTrunk
from tests.helpers.onnx_files import face_network, write


@pytest.fixture
def image():
    return torch.rand(3, 3, 96, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def trunk():
    torch.manual_seed(0)
    return ConvTrunk((8, 8, 12, 16), (1, 1, 1, 1)).eval()


def test_perceptual_distance_is_zero_for_equals_symmetric_and_grows(trunk, image):
    model = PerceptualModel(trunk)
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
    near, far = image + 0.05 * noise, image + 0.5 * noise
    with torch.no_grad():
        assert torch.equal(model.distance(image, image), torch.zeros(3))
        assert torch.allclose(model.distance(image, far), model.distance(far, image))
        assert (model.distance(image, near) < model.distance(image, far)).all()
        assert model.embed(image).shape == (3, trunk.pooled_size())


def test_perceptual_distance_has_a_finite_gradient(trunk, image):
    image.requires_grad_()
    PerceptualModel(trunk).distance(image, torch.zeros_like(image)).sum().backward()
    assert torch.isfinite(image.grad).all()
    assert image.grad.abs().max() > 0


def test_feature_distance_by_hand():
    a = [torch.tensor([[[[3.0]], [[4.0]]]])]
    b = [torch.tensor([[[[0.0]], [[2.0]]]])]
    assert feature_distance(a, b) == pytest.approx(0.6**2 + 0.2**2, abs=1e-6)


@pytest.mark.parametrize("wrong", [torch.zeros(3, 96, 96), torch.zeros(1, 1, 8, 8)])
def test_pictures_of_another_shape_are_refused(trunk, wrong):
    with pytest.raises(InvalidArgumentError, match=r"\[N, 3, H, W\]"):
        PerceptualModel(trunk).embed(wrong)


def test_bytes_are_refused_with_the_remedy(trunk):
    with pytest.raises(InvalidArgumentError, match="to_tensor"):
        MiniIdentityModel(trunk).embed(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


def test_pairs_must_be_as_many(trunk, image):
    with pytest.raises(InvalidArgumentError, match="3 pictures"):
        PerceptualModel(trunk).distance(image, image[:2])


def test_identity_embeddings_are_unit_and_similar_to_themselves(trunk, image):
    model = MiniIdentityModel(trunk, size=12).eval()
    with torch.no_grad():
        embedding = model.embed(image)
        assert embedding.shape == (3, 12)
        assert torch.allclose(embedding.norm(dim=1), torch.ones(3))
        assert torch.allclose(model.similarity(image, image), torch.ones(3))
        with pytest.raises(InvalidArgumentError):
            model.similarity(image, image[:1])


def test_networks_round_trip_through_their_file(trunk, image, tmp_path):
    model = MiniIdentityModel(trunk, size=12).eval()
    model.save(tmp_path / "identity.safetensors")
    loaded = load_identity(tmp_path / "identity.safetensors")
    with torch.no_grad():
        assert torch.allclose(loaded.embed(image), model.embed(image), atol=1e-2)
    assert not any(p.requires_grad for p in loaded.parameters())


@pytest.mark.parametrize("kind", [MiniIdentityModel, PerceptualModel, EncoderModel])
def test_a_missing_file_names_the_remedy(kind, tmp_path):
    with pytest.raises(MissingModelError, match="make pretrain"):
        kind.load(tmp_path / "absent.safetensors")


def test_a_broken_file_and_another_networks_file_are_refused(trunk, tmp_path):
    path = tmp_path / "network.safetensors"
    path.write_bytes(b"x" * 40)
    with pytest.raises(CheckpointError, match="truncated or malformed"):
        PerceptualModel.load(path)
    MiniIdentityModel(trunk).save(path)
    with pytest.raises(CheckpointError, match="head"):
        PerceptualModel.load(path)


def test_an_external_network_is_differentiable(image, tmp_path):
    model = load_identity(write(tmp_path / "face.onnx", *face_network()))
    image.requires_grad_()
    embedding = model.embed(image)
    assert embedding.shape == (3, 16)
    assert torch.allclose(embedding.norm(dim=1), torch.ones(3))
    assert model.name == "face"
    embedding[:, 0].sum().backward()
    assert image.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("name", ["face.pt", "face.ts", "face.torchscript", "face.pkl", "face.bin"])
def test_a_network_that_would_run_code_is_refused_unread_with_the_remedy(name, tmp_path):
    os.mkfifo(tmp_path / name)  # whoever opens it waits for ever
    with pytest.raises(InvalidArgumentError, match=r"\.onnx file.*torch\.onnx\.export\(network"):
        load_identity(tmp_path / name)


def test_external_identity_errors(tmp_path):
    with pytest.raises(MissingModelError, match=r"torch\.onnx\.export"):
        ExternalIdentityModel(tmp_path / "absent.onnx")
    (tmp_path / "face.onnx").write_bytes(b"no network")
    with pytest.raises(CheckpointError, match=r"face\.onnx"):
        ExternalIdentityModel(tmp_path / "face.onnx")


def test_the_external_crop_brings_the_eyes_to_the_template():
    seen = []

    class Spy(nn.Module):
        def forward(self, x):
            seen.append(x)
            return x.flatten(1)[:, :4]

    model = ExternalIdentityModel.__new__(ExternalIdentityModel)
    nn.Module.__init__(model)
    model.crop, model.network = (0.06, -0.06, 0.88), Spy()
    picture = -torch.ones(1, 3, 512, 512)
    picture[:, :, 176:182, 180:186] = 1  # EG3D's mean eye at image-left: (0.357, 0.350)
    model.embed(picture)
    place = divmod(int(seen[0][0, 0].argmax()), 112)
    assert abs(place[0] - 51.6) < 3
    assert abs(place[1] - 38.3) < 3


def test_the_encoder_gives_codes_and_bounded_angles(trunk, image):
    model = EncoderModel(trunk, num_ws=5, w_dim=6, hidden=16)
    w_plus, angles = model(image * 100)
    assert w_plus.shape == (3, 5, 6)
    assert angles.shape == (3, 2)
    assert angles.abs().max() <= MAX_ANGLE
    (w_plus.sum() + angles.sum()).backward()
    assert model.basis.grad.abs().sum() > 0


def test_lpips_without_weights_names_the_command(tmp_path):
    with pytest.raises(MissingModelError, match="curl"):
        LpipsModel(tmp_path / "vgg.pth")


def test_a_missing_file_of_a_published_network_is_got_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path))
    for load, name in ((load_lpips, "stlpips-vgg"), (load_identity, "dlib-face")):
        with pytest.raises(MissingModelError, match=f"`itportrait models get {name}`"):
            load(tmp_path / "models" / name / "weights.safetensors")
    with pytest.raises(MissingModelError, match="make pretrain"):
        load_identity(tmp_path / "identity.safetensors")


@pytest.mark.slow
def test_lpips_with_local_weights_compares(tmp_path, image):
    import lpips

    torch.manual_seed(0)
    net = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False).net
    state = {f"features.{name.split('.', 1)[1]}": value for name, value in net.state_dict().items()}
    torch.save(state, tmp_path / "vgg.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nobody can do anything about those of its packages
        model = LpipsModel(tmp_path / "vgg.pth")
    with torch.no_grad():
        assert model.distance(image, image, size=32).abs().max() == 0
        assert (model.distance(image, -image, size=32) > 0).all()
        assert model.embed(image, size=32).shape == (3, 1024)
        a, b = resize(image, 32), resize(-image, 32)
        expected = model.lpips(a, b).flatten()
        assert torch.allclose(model.distance(a, b, size=32), expected, rtol=1e-4, atol=0)
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "vgg.pth")
    with pytest.raises(CheckpointError, match="VGG-16"):
        LpipsModel(tmp_path / "vgg.pth")


def test_image_text_models_are_never_downloaded(tmp_path):
    with pytest.raises(
        MissingModelError,
        match=r"not named by the bundle; .*open-clip-vit-b-32",
    ):
        ImageTextModel.load("ViT-B-32", None)
    with pytest.raises(MissingModelError, match="make pretrain"):
        ImageTextModel.load_mini(tmp_path)
    with pytest.raises(UnknownNameError, match="ViT-B-32"):
        ImageTextModel.load("ViT-Z-99", tmp_path / "file")
    (tmp_path / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"weights\.safetensors: truncated"):
        ImageTextModel.load("ViT-B-32", tmp_path / "weights.safetensors")
