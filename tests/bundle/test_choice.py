"""Bundles that judge by published networks of this machine."""

import json
import shutil
from dataclasses import replace

import fsspec
import pytest
import torch

from itportrait.bundle import PerceptionSpec, load_bundle
from itportrait.bundle.choice import cautions_for, use_models
from itportrait.errors import InvalidArgumentError, MissingModelError
from itportrait.losses import IdentityLoss
from itportrait.perception.face_resnet import FaceResnetModel
from itportrait.perception.identity import MiniIdentityModel
from itportrait.published.registry import MODELS
from tests.helpers.small_wheels import get_small_faces
from tests.helpers.tiny_folder import write_tiny_bundle


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "cache"))
    write_tiny_bundle(tmp_path / "bundle")
    (tmp_path / "bundle" / "settings.yaml").write_text("align: {size: 64}\n")
    return tmp_path / "bundle"


@pytest.fixture
def faces(tmp_path, folder, monkeypatch):
    model = get_small_faces(tmp_path / "wheels")
    monkeypatch.setitem(MODELS, "dlib-face", model)
    return model


def test_a_copy_measures_and_trains_by_the_published_network(folder, faces, tmp_path):
    before = load_bundle(folder)
    spec = use_models(str(folder), [faces], tmp_path / "copy")
    copy = load_bundle(tmp_path / "copy")
    copy.verify()
    assert copy.model_id == spec.model_id != before.model_id
    assert spec.perception.identity_path == "models:dlib-face"
    assert (tmp_path / "copy" / "settings.yaml").read_text() == "align: {size: 64}\n"
    assert isinstance(copy.identity, FaceResnetModel)
    assert isinstance(load_bundle(folder).identity, MiniIdentityModel)
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    loss = IdentityLoss(copy.identity)
    target = loss.embed(image.flip(0))
    loss(image.requires_grad_(), target).sum().backward()
    assert image.grad.abs().max() > 0


def test_a_bundle_is_changed_in_its_own_folder(folder, faces):
    use_models(str(folder), [faces])
    assert isinstance(load_bundle(folder).identity, FaceResnetModel)
    assert not list(folder.glob("*.tmp"))


def test_a_network_that_no_bundle_names_says_who_uses_it(folder):
    with pytest.raises(InvalidArgumentError, match=r"face-mesh, which is used by .*camera_points"):
        use_models(str(folder), [MODELS["face-mesh"]])
    with pytest.raises(InvalidArgumentError, match=r"face-iris, which is used by .*FacePoints"):
        use_models(str(folder), [MODELS["face-iris"]])


def test_the_bundle_of_somebody_else_is_not_overwritten(folder, faces, tmp_path):
    shutil.copytree(folder, tmp_path / "other")
    (tmp_path / "other" / "settings.yaml").write_text("align: {size: 32}\n")
    with pytest.raises(InvalidArgumentError, match=r"--output must be .* which has a model\.json"):
        use_models(str(folder), [faces], tmp_path / "other")
    assert (tmp_path / "other" / "settings.yaml").read_text() == "align: {size: 32}\n"
    use_models(str(folder), [faces], folder)  # its own folder by name


def test_a_place_that_takes_no_folder_is_refused_before_anything_is_copied(folder, faces, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidArgumentError, match="--output must be a folder that can be written"):
        use_models(str(folder), [faces], str(tmp_path / "file" / "x"))


def test_a_copy_of_a_remote_bundle_has_its_settings(folder, faces, tmp_path):
    uri = "memory://choice/tiny"
    fsspec.filesystem("memory").put(str(folder), "/choice/tiny", recursive=True)
    use_models(uri, [faces], tmp_path / "copy")
    assert (tmp_path / "copy" / "settings.yaml").read_text() == "align: {size: 64}\n"
    fsspec.filesystem("memory").rm("/choice/tiny/settings.yaml")
    use_models(uri, [faces], tmp_path / "second")
    assert not (tmp_path / "second" / "settings.yaml").exists()


def test_a_threshold_of_the_former_distance_is_named(faces):
    first, second = cautions_for("mini", [MODELS["stlpips-vgg"]])
    assert "ready-made" in first
    assert "align.encoder_camera_distance" in second
    assert cautions_for("mini", [faces]) == [first]


def test_the_id_is_made_of_the_pinned_network(folder, faces, monkeypatch):
    """Not of its name alone: another release may pin other weights under the same name."""
    before = use_models(str(folder), [faces]).model_id
    assert load_bundle(folder).model_id == before
    monkeypatch.setitem(MODELS, "dlib-face", replace(faces, member_sha256="0" * 64))
    assert load_bundle(folder).model_id != before


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"encoder_path": "models:dlib-face"}, "dlib-face is a network for identity_path"),
        ({"identity_path": "models:stlpips-vgg"}, "stlpips-vgg is a network for perceptual_path"),
        ({"perceptual_path": "models:stlpips-vgg"}, "perceptual: must be lpips_vgg for"),
        (
            {"clips": [{"kind": "mini", "path": "models:dlib-face"}]},
            r"clips.0: path: models:dlib-face is a network for identity_path",
        ),
    ],
)
def test_a_network_of_another_use_is_refused(values, told):
    with pytest.raises(InvalidArgumentError, match=told):
        PerceptionSpec.parse(values, source="model.json")


def test_the_embedded_bundle_is_not_changed(folder, faces):
    with pytest.raises(InvalidArgumentError, match="--output must be a folder, since mini"):
        use_models("mini", [faces])


def test_a_network_that_is_not_here_changes_nothing(folder, faces, tmp_path):
    (tmp_path / "cache/models/dlib-face/about.json").unlink()
    text = (folder / "model.json").read_text()
    with pytest.raises(MissingModelError, match=r"damaged in .*itportrait models get dlib-face"):
        use_models(str(folder), [faces])
    assert (folder / "model.json").read_text() == text


def test_a_bundle_says_how_to_get_what_it_names(folder):
    model = json.loads((folder / "model.json").read_text())
    for part, name in (("identity", "dlib-face"), ("perceptual", "stlpips-vgg")):
        model["perception"][f"{part}_path"] = f"models:{name}"
        model["perception"]["perceptual"] = "lpips_vgg"
        (folder / "model.json").write_text(json.dumps(model))
        bundle = load_bundle(folder)
        with pytest.raises(MissingModelError, match=f"absent in .*itportrait models get {name}"):
            getattr(bundle, part)
    model["perception"]["identity_path"] = "models:../../secret"
    (folder / "model.json").write_text(json.dumps(model))
    with pytest.raises(InvalidArgumentError, match=r"models:NAME, got.*known: dlib-face"):
        load_bundle(folder)
