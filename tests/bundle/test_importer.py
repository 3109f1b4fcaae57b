"""Import of checkpoints by others: what they claim is compared first, a refusal changes nothing."""

import copy
import json
import os

import pytest
import torch
from safetensors.torch import save_file

from itportrait.bundle import import_eg3d, load_bundle
from itportrait.errors import CheckpointError, MissingModelError, OutputError
from itportrait.generator import GeneratorConfig, TriPlaneGenerator
from itportrait.generator.io import load_generator, save_generator
from itportrait.weights.stored import StorageRecord
from tests.helpers.mutations import mutations
from tests.helpers.published import INIT, RENDERING, published_pickle


@pytest.fixture(scope="module")
def published():
    torch.manual_seed(5)
    model = TriPlaneGenerator(GeneratorConfig.from_eg3d(INIT, neural_rendering_resolution=16))
    del model.config
    model._init_kwargs, model.neural_rendering_resolution = INIT, 16
    return model


def write(path, model, **attributes):
    model = copy.deepcopy(model)
    for name, value in attributes.items():
        setattr(model, name, value)
    path.write_bytes(published_pickle({"G_ema": model}))
    return path


def contents(folder):
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


LIES = {
    "latent of 10^12": ({"z_dim": 10**12}, "z_dim"),
    "latent of 2^64": ({"z_dim": 1 << 64}, "z_dim"),
    "latent that fits no weight": ({"z_dim": 4096}, "does not fit the generator"),
    "channels of 10^9": ({"channel_max": 10**9, "channel_base": 10**12}, "channel_base"),
    "channels within bounds": (
        {"channel_max": 8192, "channel_base": 1 << 20},
        "does not fit the generator; misshapen",
    ),
    "negative width": ({"w_dim": -1}, "w_dim"),
    "resolution of 2^40": ({"img_resolution": 1 << 40}, "image_resolution"),
    "text for a number": ({"z_dim": "many"}, "z_dim"),
    "list for a number": ({"z_dim": [8]}, "z_dim"),
    "layers of 10^9": ({"mapping_kwargs": {"num_layers": 10**9}}, "mapping_layers"),
    "mapping of a list": ({"mapping_kwargs": [2]}, "mapping_kwargs must be a dictionary"),
    "rendering of a number": ({"rendering_kwargs": 3}, "rendering_kwargs must be a dictionary"),
    "samples of 10^9": (
        {"rendering_kwargs": RENDERING | {"depth_resolution": 10**9}},
        "depth_resolution",
    ),
    "rendering that lacks": (
        {"rendering_kwargs": {k: RENDERING[k] for k in list(RENDERING)[:2]}},
        "depth_resolution_importance, ray_start",
    ),
    "half of text": ({"sr_num_fp16_res": "4"}, "sr_num_fp16_res must be a whole number"),
    "no number": ({"rendering_kwargs": RENDERING | {"box_warp": float("nan")}}, "box_warp"),
    "an infinite ray": ({"rendering_kwargs": RENDERING | {"ray_end": float("inf")}}, "ray_end"),
    "nothing": ({"z_dim": None}, "z_dim"),
}


@pytest.mark.parametrize("name", LIES)
def test_arguments_that_lie_are_refused_before_memory_is_taken(
    tmp_path, published, name, monkeypatch
):
    change, message = LIES[name]
    path = write(tmp_path / "x.pkl", published, _init_kwargs=INIT | change)
    monkeypatch.setattr(StorageRecord, "take", lambda _: pytest.fail("a tensor was read"))
    with pytest.raises(CheckpointError, match=message) as caught:
        import_eg3d(path, tmp_path / "out")
    assert str(caught.value).startswith(f"{path}: ")
    assert not (tmp_path / "out").exists()


def test_a_raw_resolution_of_others_is_bounded(tmp_path, published):
    path = write(tmp_path / "x.pkl", published, neural_rendering_resolution=1 << 40)
    with pytest.raises(CheckpointError, match="neural_rendering_resolution"):
        import_eg3d(path, tmp_path / "out")


@pytest.mark.parametrize("planes", [torch.zeros(3, 3, 3), torch.full((3, 3, 3), torch.nan)])
def test_planes_that_are_no_axes(tmp_path, published, planes):
    model = copy.deepcopy(published)
    model.add_module("renderer", torch.nn.Module())
    model.renderer.plane_axes = planes
    with pytest.raises(CheckpointError, match="do not span the space"):
        import_eg3d(write(tmp_path / "x.pkl", model), tmp_path / "out")


def test_whole_numbers_are_no_weights(tmp_path, published):
    # A byte would take four in the generator: the file must have as much as it claims.
    state = {name: value.to(torch.uint8) for name, value in published.state_dict().items()}
    torch.save(state, tmp_path / "x.pt")
    config = GeneratorConfig.from_eg3d(INIT, neural_rendering_resolution=16)
    with pytest.raises(CheckpointError, match="of another type"):
        import_eg3d(tmp_path / "x.pt", tmp_path / "out", config=config)


def test_a_refusal_leaves_the_folder_as_it_was(tmp_path, published):
    out = tmp_path / "out"
    import_eg3d(write(tmp_path / "x.pkl", published), out)
    (out / "weights-of-mine.bin").write_bytes(b"mine")
    before = contents(out)
    model = copy.deepcopy(published)
    del model.decoder.net[0].bias
    with pytest.raises(CheckpointError, match=r"missing: decoder\.net\.0\.bias"):
        import_eg3d(write(tmp_path / "y.pkl", model), out)
    assert contents(out) == before


def test_a_failure_to_write_leaves_the_folder_as_it_was(tmp_path, published, monkeypatch):
    out = tmp_path / "out"
    path = write(tmp_path / "x.pkl", published)
    import_eg3d(path, out, name="old")
    before = contents(out)
    monkeypatch.setattr(
        "itportrait.bundle.importer.write_bundle",
        lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")),
    )
    with pytest.raises(OutputError, match="No space left"):
        import_eg3d(path, out, name="new")
    assert contents(out) == before
    assert load_bundle(out).spec.name == "old"


def test_an_import_lists_the_files_that_the_user_has_put_in(tmp_path, published):
    out = tmp_path / "out"
    out.mkdir()
    (out / "identity.onnx").write_bytes(b"network")
    spec = import_eg3d(write(tmp_path / "x.pkl", published), out)
    assert list(spec.files) == ["generator.safetensors", "identity.onnx"]
    assert sorted(path.name for path in out.iterdir()) == [
        "generator.safetensors",
        "identity.onnx",
        "model.json",
    ]
    assert load_bundle(out).spec == spec


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path, published):
    tmp_path.joinpath("out").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="cannot write the bundle"):
        import_eg3d(write(tmp_path / "x.pkl", published), tmp_path / "out")


def test_a_file_where_the_folder_belongs(tmp_path, published):
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot write the bundle"):
        import_eg3d(write(tmp_path / "x.pkl", published), tmp_path / "out")


def test_damaged_checkpoints_leave_no_half_bundle(tmp_path, published):
    good = write(tmp_path / "x.pkl", published).read_bytes()
    imported = 0
    for index, data in enumerate(mutations([good], 60)):
        out = tmp_path / f"out{index}"
        (tmp_path / "y.pkl").write_bytes(data)
        try:
            import_eg3d(tmp_path / "y.pkl", out)
        except CheckpointError:
            assert not out.exists()
        else:
            imported += load_bundle(out).spec.name == "ffhq512"
    assert imported < 60


# --- bundles of others


def test_a_generator_whose_configuration_asks_for_more_than_its_file(tmp_path):
    config = GeneratorConfig.from_eg3d(INIT, neural_rendering_resolution=16)
    save_generator(TriPlaneGenerator(config), tmp_path)
    path = tmp_path / "model.json"
    data = json.loads(path.read_text())
    data["generator"]["config"]["channel_max"] = 8192
    data["generator"]["config"]["channel_base"] = 1 << 20
    path.write_text(json.dumps(data))
    with pytest.raises(CheckpointError, match="does not fit the generator; misshapen"):
        load_generator(tmp_path)


def test_damaged_generators_raise_one_kind_of_error(tmp_path):
    config = GeneratorConfig.from_eg3d(INIT, neural_rendering_resolution=16)
    save_generator(TriPlaneGenerator(config), tmp_path)
    path = tmp_path / "generator.safetensors"
    good, refused = path.read_bytes(), 0
    for data in mutations([good], 60):
        path.write_bytes(data)
        try:
            load_generator(tmp_path)
        except CheckpointError as error:
            refused += str(path) in str(error)
    assert refused > 20
    path.unlink()
    with pytest.raises(MissingModelError):
        load_generator(tmp_path)


def test_tensors_of_another_shape_name_both(tmp_path):
    config = GeneratorConfig.from_eg3d(INIT, neural_rendering_resolution=16)
    save_generator(model := TriPlaneGenerator(config), tmp_path)
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    state["decoder.net.2.bias"] = torch.zeros(7)
    save_file(state, tmp_path / "generator.safetensors")
    with pytest.raises(CheckpointError, match=r"decoder\.net\.2\.bias \[7\] instead of \[33\]"):
        load_generator(tmp_path)
