"""Devices by name: checked before anything is loaded."""

import pytest
import torch

from itportrait.bundle.devices import torch_device
from itportrait.errors import InvalidArgumentError


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "mps", "", "cpu:cuda", "cpu:1"])
def test_a_device_that_is_none_is_refused_with_the_names_that_are(name):
    with pytest.raises(InvalidArgumentError, match="--device must be auto, cpu, cuda or cuda:N"):
        torch_device(name, argument="--device")


def test_a_device_that_is_not_here_is_refused():
    with pytest.raises(InvalidArgumentError, match="device must be one of this machine, got cuda"):
        torch_device("cuda:99")


def test_auto_is_what_this_machine_has():
    assert torch_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert torch_device("cpu") == torch.device("cpu")
