"""Foreign checkpoints: good ones load to the same numbers, bad ones are refused by name."""

import collections
import importlib.machinery
import io
import os
import pickle
import sys
import types

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from itportrait.errors import CheckpointError, MissingModelError, UnsafeCheckpointError
from itportrait.weights import safe_pickle
from itportrait.weights.checkpoints import open_checkpoint, read_checkpoint
from tests.helpers.published import published_pickle, to_persistent


class Calls:
    """Pickles as a call of `function` with `args`, as a hostile file would."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args

    def __deepcopy__(self, memo):  # the copy protocol would make the call
        return self


@pytest.fixture
def network():
    torch.manual_seed(0)
    model = torch.nn.Module()
    model.add_module("inner", torch.nn.Linear(3, 2))
    model.register_buffer("scale", torch.randn(4, 5).t())  # strides that are not contiguous
    model.register_buffer("scratch", torch.zeros(1), persistent=False)
    model.register_parameter("absent", None)
    model.weights_of_view = torch.arange(3)
    return model


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
    return path


def assert_same(state, model):
    expected = model.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_published_pickle_loads_to_the_same_numbers(tmp_path, network, protocol):
    network._init_kwargs = {"z_dim": 512, "rendering_kwargs": {"ray_start": 2.25}}
    network.neural_rendering_resolution = 128
    data = published_pickle({"G": None, "G_ema": network, "step": 3}, protocol=protocol)
    checkpoint = read_checkpoint(write(tmp_path / "x.pkl", data))
    assert_same(checkpoint.state, network)
    assert checkpoint.init_kwargs == {"z_dim": 512, "rendering_kwargs": {"ray_start": 2.25}}
    assert checkpoint.attributes["neural_rendering_resolution"] == 128


def test_source_of_a_persistent_object_is_never_run(tmp_path, network):
    canary = tmp_path / "canary"
    data = published_pickle({"G_ema": network}, source=f"open({str(canary)!r}, 'w')")
    assert_same(read_checkpoint(write(tmp_path / "x.pkl", data)).state, network)
    assert not canary.exists()


def test_views_share_storage_without_harm(tmp_path):
    base = torch.randn(10)
    model = torch.nn.Module()
    model.register_buffer("head", base[2:5])
    model.register_buffer("every_third", base[1::3])
    data = published_pickle({"G_ema": model})
    assert_same(read_checkpoint(write(tmp_path / "x.pkl", data)).state, model)


def test_easy_dicts_and_standard_modules_are_data(tmp_path, network, monkeypatch):
    module = types.ModuleType("dnnlib.util")
    module.EasyDict = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})
    monkeypatch.setitem(sys.modules, "dnnlib", types.ModuleType("dnnlib"))
    monkeypatch.setitem(sys.modules, "dnnlib.util", module)
    network._init_kwargs = module.EasyDict(mapping_kwargs=module.EasyDict(num_layers=2))
    network.add_module("net", torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Softplus()))
    data = published_pickle({"G_ema": network})
    monkeypatch.delitem(sys.modules, "dnnlib.util")
    checkpoint = read_checkpoint(write(tmp_path / "x.pkl", data))
    assert checkpoint.init_kwargs == {"mapping_kwargs": {"num_layers": 2}}
    assert_same(checkpoint.state, network)


def test_numpy_values_pass_by(tmp_path, network):
    network.table, network.number = np.arange(6.0).reshape(2, 3), np.float32(2)
    data = published_pickle({"G_ema": network})
    assert_same(read_checkpoint(write(tmp_path / "x.pkl", data)).state, network)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_torch_files_of_state_dicts(tmp_path, network, zipped, wrapped):
    state = network.state_dict()
    path = tmp_path / "x.pt"
    content = {"G_ema": state} if wrapped else state
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert_same(read_checkpoint(path).state, network)


def test_torch_files_of_half_and_integer_tensors(tmp_path):
    state = {
        "half": torch.randn(3).half(),
        "brain": torch.randn(2, 2).bfloat16(),
        "whole": torch.arange(4),
        "truth": torch.tensor([True, False]),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(2.5),
    }
    torch.save(state, tmp_path / "x.pt")
    loaded = read_checkpoint(tmp_path / "x.pt").state
    assert all(torch.equal(loaded[name], value) for name, value in state.items())
    assert all(loaded[name].dtype == value.dtype for name, value in state.items())


def test_torch_file_of_a_module(tmp_path, network):
    with to_persistent(network) as persistent:
        torch.save({"G_ema": persistent}, tmp_path / "x.pt")
    assert_same(read_checkpoint(tmp_path / "x.pt").state, network)


@pytest.mark.parametrize("traced", [False, True])
def test_an_archive_of_torchscript_is_data(tmp_path, traced):
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())
            self.inner[0].weight.data = self.inner[0].weight.data.half().float()
            self.register_buffer("scale", torch.ones(2).half())

        def forward(self, x):
            return self.inner(x) * self.scale

    torch.manual_seed(0)
    model = Scaled().eval()
    script = torch.jit.trace(model, torch.ones(1, 3)) if traced else torch.jit.script(model)
    script.save(tmp_path / "x.pt")
    with open_checkpoint(tmp_path / "x.pt") as stored:
        assert stored.is_script
        state = stored.read().state
    expected = model.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], value) for name, value in expected.items())
    assert all(state[name].dtype == value.dtype for name, value in expected.items())


def test_safetensors(tmp_path, network):
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(state, tmp_path / "x.safetensors")
    assert_same(read_checkpoint(tmp_path / "x.safetensors").state, network)


# --- what would run code

HOSTILE = {
    "posix.system": lambda canary: Calls(os.system, f"touch {canary}"),
    "builtins.eval": lambda canary: Calls(eval, f"open({str(canary)!r}, 'w')"),
    "builtins.exec": lambda canary: Calls(exec, f"open({str(canary)!r}, 'w')"),
    "io.open": lambda canary: Calls(open, str(canary), "w"),
    "builtins.getattr": lambda canary: Calls(getattr, Calls(dict), "clear"),
    "builtins.__import__": lambda canary: Calls(__import__, "os"),
    "pickle.loads": lambda canary: Calls(pickle.loads, pickle.dumps(Calls(open, str(canary), "w"))),
    "torch.serialization.load": lambda canary: Calls(torch.load, str(canary)),
    "collections.defaultdict": lambda canary: collections.defaultdict(list),
    "_frozen_importlib_external.SourceFileLoader": lambda canary: Calls(
        importlib.machinery.SourceFileLoader, "x", str(canary)
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("place", ["top", "state", "zip"])
def test_code_is_refused_by_name_and_does_not_run(tmp_path, network, name, place):
    canary = tmp_path / "canary"
    hostile = HOSTILE[name](canary)
    path = tmp_path / "x.pkl"
    if place == "top":
        write(path, {"a": 1, "G_ema": hostile})
    elif place == "state":
        network._init_kwargs = {"harmless": 1, "hidden": hostile}
        write(path, published_pickle({"G_ema": network}))
    else:
        torch.save({"G_ema": network.state_dict(), "extra": hostile}, path)
    with pytest.raises(UnsafeCheckpointError) as caught:
        read_checkpoint(path)
    assert name in str(caught.value)
    assert "nothing was executed" in str(caught.value)
    assert not canary.exists()


def test_code_inside_the_bytes_of_a_storage_does_not_run(tmp_path):
    canary = tmp_path / "canary"
    inner = io.BytesIO()
    torch.save(Calls(open, str(canary), "w"), inner, _use_new_zipfile_serialization=False)
    storage = Calls(torch.storage._load_from_bytes, inner.getvalue())
    tensor = Calls(
        torch._utils._rebuild_tensor_v2, storage, 0, (1,), (1,), False, collections.OrderedDict()
    )
    with pytest.raises(UnsafeCheckpointError, match="open"):
        read_checkpoint(write(tmp_path / "x.pkl", {"G_ema": {"weight": tensor}}))
    assert not canary.exists()


def test_code_in_an_old_torch_file_does_not_run(tmp_path):
    canary = tmp_path / "canary"
    path = tmp_path / "x.pt"
    torch.save(Calls(open, str(canary), "w"), path, _use_new_zipfile_serialization=False)
    with pytest.raises(UnsafeCheckpointError, match="open"):
        read_checkpoint(path)
    assert not canary.exists()


def test_code_under_the_name_of_a_persistent_id_does_not_run(tmp_path):
    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            return "steal" if obj == "key" else None

    stream = io.BytesIO()
    Pickler(stream).dump({"G_ema": "key"})
    with pytest.raises(UnsafeCheckpointError, match="steal"):
        read_checkpoint(write(tmp_path / "x.pkl", stream.getvalue()))


def test_a_pickle_cannot_alter_the_stand_ins(tmp_path):
    # GLOBAL, then BUILD with a slot state: sets attributes on whatever the name stands for.
    for module, name in (
        ("torch._utils", "_rebuild_tensor_v2"),
        ("dnnlib.util", "EasyDict"),
        ("training.triplane", "OSGDecoder"),
        ("collections", "OrderedDict"),
    ):
        change = pickle.dumps((None, {"__init__": 1, "_make": 1}), protocol=2)[2:-1]
        data = b"\x80\x02" + f"c{module}\n{name}\n".encode() + change + b"b."
        with pytest.raises(CheckpointError):
            read_checkpoint(write(tmp_path / "x.pkl", data))
    assert callable(safe_pickle.ModuleRecord.__init__)
    assert isinstance(collections.OrderedDict(), dict)


# --- what is broken


def test_missing_file_is_named(tmp_path):
    with pytest.raises(MissingModelError, match=r"nowhere\.pkl"):
        read_checkpoint(tmp_path / "nowhere.pkl")


@pytest.mark.parametrize("kind", ["pickle", "zip", "legacy", "safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.98])
def test_truncated_files(tmp_path, network, kind, share):
    path = tmp_path / ("x.safetensors" if kind == "safetensors" else "x.pkl")
    if kind == "pickle":
        write(path, published_pickle({"G_ema": network}))
    elif kind == "safetensors":
        save_file({"a": torch.randn(100)}, path)
    else:
        torch.save(network.state_dict(), path, _use_new_zipfile_serialization=kind == "zip")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CheckpointError, match=r"truncated|malformed"):
        read_checkpoint(path)


def test_tensor_larger_than_its_storage(tmp_path):
    storage = torch.zeros(4).storage()
    tensor = Calls(
        torch._utils._rebuild_tensor_v2,
        storage, 2, (3,), (1,), False, collections.OrderedDict(),
    )  # fmt: skip
    with pytest.raises(CheckpointError, match=r"weight of shape \[3\] is truncated"):
        read_checkpoint(write(tmp_path / "x.pkl", {"G_ema": {"weight": tensor}}))


@pytest.mark.parametrize("size", [(-1,), (2.0,), "ab", (True,)])
def test_invalid_shapes(tmp_path, size):
    storage = torch.zeros(4).storage()
    tensor = Calls(torch._utils._rebuild_tensor_v2, storage, 0, size, (1,), False, None)
    with pytest.raises(CheckpointError, match="no valid shape"):
        read_checkpoint(write(tmp_path / "x.pkl", {"G_ema": {"weight": tensor}}))


def test_modules_that_contain_each_other(tmp_path):
    outer, inner = torch.nn.Module(), torch.nn.Module()
    outer.inner = inner
    inner.__dict__["_modules"]["outer"] = outer
    with pytest.raises(CheckpointError, match="contain each other"):
        read_checkpoint(write(tmp_path / "x.pkl", published_pickle({"G_ema": outer})))


@pytest.mark.parametrize("content", [{"D": 1}, [1, 2], 7, {}, {"G_ema": {"a": 1}}])
def test_no_generator_inside(tmp_path, content):
    with pytest.raises(CheckpointError, match="holds no generator"):
        read_checkpoint(write(tmp_path / "x.pkl", content))


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "."])
def test_a_place_that_holds_no_file(tmp_path, name):
    with pytest.raises(MissingModelError, match="no checkpoint"):
        read_checkpoint(tmp_path / name)
