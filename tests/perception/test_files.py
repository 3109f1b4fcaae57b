"""Files of weights: compressed archives keep every bit, and are small where much is zero."""

import json

import pytest
import torch
from safetensors.torch import save_file

from itportrait.errors import CheckpointError
from itportrait.perception.files import save_compressed
from itportrait.perception.perceptual import PerceptualModel
from itportrait.perception.trunk import ConvTrunk
from itportrait.styles import WeightStyle
from tests.helpers.mutations import mutations


def test_a_compressed_file_keeps_every_bit_and_is_small(tmp_path):
    rng = torch.Generator().manual_seed(0)
    state = {
        "embedding": torch.zeros(4000, 64, dtype=torch.half),
        "weight": torch.randn(30, 40, generator=rng),
        "count": torch.tensor(7),
    }
    state["embedding"][::50] = torch.randn(80, 64, generator=rng).half()
    save_compressed(state, tmp_path / "packed.pt")
    save_file(state, tmp_path / "plain.safetensors")
    again = torch.load(tmp_path / "packed.pt", weights_only=True)
    assert again.keys() == state.keys()
    assert all(torch.equal(again[key], value) for key, value in state.items())
    assert all(again[key].dtype == value.dtype for key, value in state.items())
    packed, plain = (
        (tmp_path / name).stat().st_size for name in ("packed.pt", "plain.safetensors")
    )
    assert packed < plain / 10


def test_the_same_tensors_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        save_compressed({"weight": torch.arange(5.0)}, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert {file.name for file in tmp_path.iterdir()} == {"one", "two"}


# --- files of others


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "network.safetensors"
    PerceptualModel(ConvTrunk((4, 6), (1, 2))).save(path)
    return path


def rewritten(path, *, config=None, change=lambda header: header, drop=0):
    """Write the file's tensors again under another configuration and another header."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    if config is not None:
        text = config if isinstance(config, str) else json.dumps(config)
        header["__metadata__"]["config"] = text
    text = change(json.dumps(header)).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length : len(data) - drop])
    return path


CONFIGS = {
    "wide": ({"widths": [10**12], "depths": [1]}, "must be a size up to 16384"),
    "wide within bounds": (
        {"widths": [16384] * 64, "depths": [4] * 64},
        "does not fit its network",
    ),
    "deep": ({"widths": [4], "depths": [16384]}, "more than 256 convolutions"),
    "ragged": ({"widths": [4, 6], "depths": [1]}, "makes no network"),
    "lacking": ({"widths": [4]}, "makes no network"),
    "of texts": ({"widths": ["4"], "depths": [1]}, "must be a size"),
    "of true": ({"widths": [True], "depths": [1]}, "must be a size"),
    "a number": ({"widths": 4, "depths": 1}, "makes no network"),
    "a list": ([1, 2], "a JSON object, got a list"),
    "no JSON": ("{", "a whole JSON document"),
    "brackets": ("[" * 200_000, "brackets without end"),
    "digits": ('{"widths": ' + "9" * 100_000 + "}", "a whole JSON document"),
    "twice": ('{"widths": [4], "widths": [5]}', "twice in one object"),
    "another one": (
        {"widths": [4, 7], "depths": [1, 2]},
        r"misshapen: .*instead of \[7, 4, 3, 3\]",
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_configurations_that_lie_are_refused_before_memory_is_taken(network, name):
    config, message = CONFIGS[name]
    with pytest.raises(CheckpointError, match=message) as caught:
        PerceptualModel.load(rewritten(network, config=config))
    assert str(network) in str(caught.value)


HEADERS = {
    "another type": (lambda text: text.replace("F16", "F8_E4M3", 1), "is of type 'F8_E4M3'"),
    "whole numbers": (lambda text: text.replace('"F16"', '"I16"'), "of another type"),
    "a shape that does not fit": (lambda text: text.replace("[4]", "[5]", 1), "has 8 bytes"),
    "a shape of exabytes": (lambda text: text.replace("[4]", f"[{1 << 62}]", 1), "no valid shape"),
    "a negative shape": (lambda text: text.replace("[4]", "[-4]", 1), "no valid shape"),
    "offsets that overlap": (lambda text: text.replace("[0,", "[-2,", 1), "no valid data_offsets"),
    "an offset of text": (lambda text: text.replace("[0, ", '["0", ', 1), "no valid data_offsets"),
    "no metadata": (lambda text: text.replace("__metadata__", "metadata"), "must have data_off"),
    "metadata of numbers": (
        lambda text: text.replace('"__metadata__": {', '"__metadata__": {"a": 1, '),
        "must hold texts",
    ),
    "a tensor twice": (lambda text: text[:-1] + ', "x": 1, "x": 1}', "twice in one object"),
    "another format": (lambda text: text.replace('"config"', '"settings"'), "has no configuration"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_do_not_describe_their_file(network, name):
    change, message = HEADERS[name]
    before = network.read_bytes()
    with pytest.raises(CheckpointError, match=message):
        PerceptualModel.load(rewritten(network, change=change))
    assert network.read_bytes() != before


def test_bytes_that_belong_to_nothing(network):
    network.write_bytes(network.read_bytes() + b"more")
    with pytest.raises(CheckpointError, match="4 bytes belong to no tensor"):
        PerceptualModel.load(network)


def test_every_cut_of_a_network_is_refused(network):
    data = network.read_bytes()
    for length in range(0, len(data), 37):
        network.write_bytes(data[:length])
        with pytest.raises(CheckpointError, match="truncated" if length else "an empty file"):
            PerceptualModel.load(network)


def test_damaged_networks_and_adapters_raise_one_kind_of_error(network, tmp_path):
    adapter = tmp_path / "adapter.safetensors"
    delta = {"a.weight": torch.ones(3, 4), "b.bias": torch.zeros(3)}
    adapter.write_bytes(WeightStyle("bronze", "tiny-1", delta, {"steps": 4}).to_bytes())
    readers = {network: PerceptualModel.load, adapter: WeightStyle.load}
    files = [path.read_bytes() for path in readers]
    refused = 0
    for index, content in enumerate(mutations(files, 600)):
        path = list(readers)[index % len(readers)]
        path.write_bytes(content)
        try:
            readers[path](path)
        except CheckpointError as error:
            refused += str(path) in str(error)
    assert refused > 300
