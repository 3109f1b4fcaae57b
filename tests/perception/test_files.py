"""Files of weights: compressed archives keep every bit, and are small where much is zero."""

import torch
from safetensors.torch import save_file

from itportrait.perception.files import save_compressed


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
