"""Bundles: lazy, verified, and clear about what is missing; import of published checkpoints."""

import copy
import json
import os
import pickle

import fsspec
import pytest
import torch

from itportrait.bundle import CameraPrior, ClipSpec, PerceptionSpec, import_eg3d, load_bundle
from itportrait.bundle.spec import write_bundle
from itportrait.errors import (
    CheckpointError,
    InvalidArgumentError,
    MissingModelError,
    UnsafeCheckpointError,
)
from itportrait.generator import TriPlaneGenerator, save_generator
from itportrait.generator.io import MODEL_FILE
from itportrait.geometry.camera import camera_angles, frontal_camera
from itportrait.perception.hyper import HyperNetwork
from itportrait.perception.identity import MiniIdentityModel
from itportrait.perception.perceptual import PerceptualModel
from itportrait.perception.trunk import ConvTrunk
from tests.helpers.onnx_files import face_network
from tests.helpers.onnx_files import write as write_onnx
from tests.helpers.published import RENDERING, published_generator, published_pickle
from tests.helpers.tiny_family import WIDTHS, tiny_generator

PERCEPTION = PerceptionSpec(
    clips=(ClipSpec(kind="open_clip", name="ViT-B-32"),),
    perceptual_path="perceptual.safetensors",
    identity_path="identity.safetensors",
)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "bundle"
    save_generator(tiny_generator(), path)
    PerceptualModel(ConvTrunk(*WIDTHS)).save(path / "perceptual.safetensors")
    MiniIdentityModel(ConvTrunk(*WIDTHS), size=8).save(path / "identity.safetensors")
    write_bundle(path, name="tiny", family="mini", license="none", perception=PERCEPTION)
    return path


def view(generator, seed=0):
    z = torch.randn(1, generator.z_dim, generator=torch.Generator().manual_seed(seed))
    return generator.synthesize(generator.mapping(z, frontal_camera()), frontal_camera()).image


def test_components_come_back(folder):
    bundle = load_bundle(folder)
    assert torch.equal(view(bundle.generator), view(tiny_generator()))
    assert bundle.perceptual.distance(*[torch.zeros(1, 3, 32, 32)] * 2).shape == (1,)
    assert bundle.identity.embed(torch.zeros(1, 3, 32, 32)).shape == (1, 8)
    assert bundle.encoder is None
    assert (bundle.name, bundle.family) == ("tiny", "mini")
    assert bundle.generator is bundle.generator
    bundle.verify()


def test_model_id_follows_the_content(folder):
    first = load_bundle(folder).model_id
    assert load_bundle(folder).model_id == first
    save_generator(tiny_generator(seed=12), folder)
    write_bundle(folder, name="tiny", family="mini", license="none", perception=PERCEPTION)
    assert load_bundle(folder).model_id != first


def test_ready_made_domains_do_not_change_the_model_they_are_made_of(folder):
    first = load_bundle(folder).model_id
    (folder / "bank").mkdir()
    (folder / "bank" / "bank.json").write_text("{}")
    write_bundle(folder, name="tiny", family="mini", license="none", perception=PERCEPTION)
    assert load_bundle(folder).model_id == first


def test_a_hyper_network_stands_apart_and_is_verified(folder):
    first = load_bundle(folder)
    assert first.hyper is None
    assert "hyper" not in first.spec.to_text()
    HyperNetwork((4, 2), rank=2, passes=1, hidden=4).save(folder / "hyper.safetensors")
    given = {"name": "tiny", "family": "mini", "license": "none", "perception": PERCEPTION}
    spec = write_bundle(folder, **given, hyper="hyper.safetensors")
    assert "hyper.safetensors" not in spec.files
    bundle = load_bundle(folder)
    assert bundle.model_id == first.model_id
    assert bundle.hyper is not None
    assert bundle.hyper.sizes == (4, 2)
    bundle.verify()
    path = folder / "hyper.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    for look in (load_bundle(folder).verify, lambda: load_bundle(folder).hyper):
        with pytest.raises(MissingModelError, match=r"hyper\.safetensors is altered"):
            look()
    path.unlink()
    with pytest.raises(MissingModelError, match=r"lacks hyper\.safetensors"):
        write_bundle(folder, **given, hyper="hyper.safetensors")


def test_components_are_loaded_when_asked_for(folder):
    (folder / "identity.safetensors").unlink()
    bundle = load_bundle(folder)
    assert bundle.generator is not None
    with pytest.raises(
        MissingModelError, match=r"identity\.safetensors is absent; .*make pretrain"
    ):
        bundle.identity  # noqa: B018


def test_altered_weights_are_refused(folder):
    path = folder / "generator.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(MissingModelError, match=r"generator\.safetensors is altered"):
        load_bundle(folder).generator  # noqa: B018


def test_missing_foreign_weights_name_their_remedy(folder):
    with pytest.raises(MissingModelError, match="ViT-B-32"):
        load_bundle(folder).clips  # noqa: B018


def test_no_bundle(tmp_path):
    with pytest.raises(MissingModelError, match=r"FILE\.pkl --output "):
        load_bundle(tmp_path / "nowhere")


def test_model_json_with_errors_names_the_keys(folder):
    path = folder / "model.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"licens": "x", "format": 2}))
    with pytest.raises(InvalidArgumentError, match=r"unknown key 'licens'"):
        load_bundle(folder)
    path.write_text("{")
    with pytest.raises(InvalidArgumentError, match="whole JSON document"):
        load_bundle(folder)


def test_writing_names_absent_files(tmp_path):
    with pytest.raises(MissingModelError, match="save_generator"):
        write_bundle(tmp_path, name="x", family="mini", license="", perception=PerceptionSpec())
    save_generator(tiny_generator(), tmp_path)
    with pytest.raises(MissingModelError, match=r"lacks perceptual\.safetensors"):
        write_bundle(tmp_path, name="x", family="mini", license="", perception=PERCEPTION)


def test_to_moves_what_is_loaded(folder):
    bundle = load_bundle(folder)
    assert bundle.to("cpu") is bundle
    if not torch.cuda.is_available():
        with pytest.raises(InvalidArgumentError, match="use cpu"):
            bundle.to("cuda")


def test_remote_bundle_is_copied_once_and_verified(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "cache"))
    remote = fsspec.filesystem("memory")
    remote.put(str(folder), "/models/tiny", recursive=True)
    uri = "memory://models/tiny"
    assert torch.equal(view(load_bundle(uri).generator), view(tiny_generator()))
    remote.rm("/models/tiny/generator.safetensors")
    assert load_bundle(uri).generator is not None  # from the cache
    remote.pipe_file("/models/tiny/generator.safetensors", b"altered")
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "other"))
    with pytest.raises(MissingModelError, match="altered"):
        load_bundle(uri)
    remote.rm("/models", recursive=True)
    with pytest.raises(MissingModelError, match=r"model\.json is absent"):
        load_bundle(uri)


def test_an_identity_network_of_the_users_may_lie_anywhere_on_this_machine(folder, tmp_path):
    write_onnx(tmp_path / "face.onnx", *face_network())
    rename_identity(folder, str(tmp_path / "face.onnx"))
    picture = torch.zeros(2, 3, 32, 32, requires_grad=True)
    load_bundle(folder).identity.embed(picture).sum().backward()
    assert picture.grad is not None


def test_an_old_bundle_with_a_network_that_would_run_code_is_refused(folder):
    (folder / "face.pt").write_bytes(b"code of others")
    rename_identity(folder, "face.pt")
    bundle = load_bundle(folder)
    assert bundle.generator is not None  # all that does not need it works
    with pytest.raises(InvalidArgumentError, match=r"face\.pt; export the network once.*onnx"):
        bundle.identity  # noqa: B018


def test_links_out_of_a_bundle_are_refused(folder, tmp_path):
    (folder / "identity.safetensors").rename(tmp_path / "elsewhere.safetensors")
    (folder / "identity.safetensors").symlink_to(tmp_path / "elsewhere.safetensors")
    with pytest.raises(InvalidArgumentError, match=r"a symbolic link leads to .*put the file"):
        load_bundle(folder).identity  # noqa: B018


def rename_identity(folder, path):
    """Let a bundle name another identity network."""
    model = json.loads((folder / "model.json").read_text())
    model["perception"]["identity_path"] = path
    (folder / "model.json").write_text(json.dumps(model))


def test_camera_prior():
    prior = CameraPrior(yaw_std_rad=0.4, pitch_std_rad=0.1)
    yaw, pitch = camera_angles(prior.sample(4000, torch.Generator().manual_seed(0)))
    assert float(yaw.std()) == pytest.approx(0.4, rel=0.05)
    assert float(pitch.std()) == pytest.approx(0.1, rel=0.05)


# --- import of published checkpoints


@pytest.fixture(scope="module")
def published():
    return published_generator()


def write(path, model, **options):
    path.write_bytes(published_pickle({"G": None, "G_ema": model}, **options))
    return path


def test_import_gives_the_same_numbers(tmp_path, published):
    config, model = published
    spec = import_eg3d(write(tmp_path / "x.pkl", model), tmp_path / "out")
    bundle = load_bundle(tmp_path / "out")
    original = TriPlaneGenerator(config).eval()
    original.load_state_dict(model.state_dict())
    assert bundle.generator.config == config == spec.generator.config
    assert torch.equal(view(bundle.generator), view(original))
    assert "non-commercial" in spec.license
    with pytest.raises(MissingModelError, match="names no identity network"):
        bundle.identity  # noqa: B018


def test_import_of_a_plain_state_dict_needs_its_configuration(tmp_path, published):
    config, model = published
    torch.save(model.state_dict(), tmp_path / "x.pt")
    import_eg3d(tmp_path / "x.pt", tmp_path / "out", config=config)
    assert load_bundle(tmp_path / "out").generator.config == config
    with pytest.raises(CheckpointError, match="misshapen"):
        import_eg3d(tmp_path / "x.pt", tmp_path / "other")


def test_import_refuses_code_by_name(tmp_path, published):
    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'canary'}",)

        def __deepcopy__(self, memo):
            return self

    model = copy.deepcopy(published[1])
    model.extra = Hostile()
    with pytest.raises(UnsafeCheckpointError, match=r"asks for (posix|nt)\.system"):
        import_eg3d(write(tmp_path / "x.pkl", model), tmp_path / "out")
    assert not (tmp_path / "canary").exists()
    assert not (tmp_path / "out").exists()


def test_import_of_a_truncated_file(tmp_path, published):
    path = write(tmp_path / "x.pkl", published[1])
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"x\.pkl.*truncated"):
        import_eg3d(path, tmp_path / "out")


def test_import_names_missing_and_misshapen_tensors(tmp_path, published):
    model = copy.deepcopy(published[1])
    del model.decoder.net[0].bias
    model.decoder.net[2].bias = torch.nn.Parameter(torch.zeros(7))
    with pytest.raises(CheckpointError) as caught:
        import_eg3d(write(tmp_path / "x.pkl", model), tmp_path / "out")
    assert "missing: decoder.net.0.bias" in str(caught.value)
    assert "misshapen: decoder.net.2.bias [7] instead of [33]" in str(caught.value)


def test_import_notices_other_plane_axes(tmp_path, published):
    path = write(tmp_path / "x.pkl", published[1])
    with pytest.raises(CheckpointError, match="import it with plane_axes='eg3d'"):
        import_eg3d(path, tmp_path / "out", plane_axes="corrected")
    model = copy.deepcopy(published[1])
    model.renderer.plane_axes[2] = torch.eye(3)
    with pytest.raises(CheckpointError, match="planes xy, xz, xy; these are not supported"):
        import_eg3d(write(tmp_path / "y.pkl", model), tmp_path / "out")


def test_import_takes_what_training_changed(tmp_path, published):
    model = copy.deepcopy(published[1])
    model.rendering_kwargs = RENDERING | {"depth_resolution": 7}
    spec = import_eg3d(write(tmp_path / "x.pkl", model), tmp_path / "out")
    assert spec.generator.config.rendering.depth_resolution == 7
    assert spec.generator.config.neural_rendering_resolution == 16


def test_our_own_pickles_are_no_checkpoints(tmp_path):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"accuracy": 0.9}))
    with pytest.raises(CheckpointError, match="holds no generator"):
        import_eg3d(tmp_path / "x.pkl", tmp_path / "out")


def test_equal_parts_of_image_text_models_leave_no_trace_in_the_model_id():
    plain, lesser = (ClipSpec(kind="mini", path="clip", weight=weight) for weight in (1.0, 0.2))
    assert "weight" not in plain.model_dump(mode="json")
    assert lesser.model_dump(mode="json")["weight"] == 0.2
    assert ClipSpec.model_validate(lesser.model_dump(mode="json")) == lesser


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("camera_prior", "radius"), 0),
        (("camera_prior", "focal"), -1),
        (("camera_prior", "pivot"), [1e308, 0, 0]),
        (("camera_prior", "yaw_std_rad"), 1e300),
        (("generator", "config", "conv_clamp"), 1e300),
        (("generator", "config", "decoder_lr_mult"), 1e300),
        (("generator", "config", "rendering", "ray_end"), 1e300),
        (("perception", "clips"), [{"kind": "mini", "path": "clip"}] * 1000),
    ],
)
def test_numbers_that_no_model_has_are_refused_when_it_is_opened(folder, keys, value):
    data = json.loads((folder / MODEL_FILE).read_text())
    part = data
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    (folder / MODEL_FILE).write_text(json.dumps(data))
    with pytest.raises(InvalidArgumentError, match=keys[-1]):
        load_bundle(folder)
