"""Copies of tensors share nothing with their originals."""

import torch

from itportrait.learning.copies import copied


def test_a_copy_shares_no_values_and_no_gradients():
    weight = torch.arange(6.0).view(2, 3).t().requires_grad_()
    tensors = {"weight": weight, "derived": 2 * weight, "count": torch.tensor([3])}
    for device in (None, "cpu"):
        copies = copied(tensors, device)
        assert list(copies) == list(tensors)
        for name, value in tensors.items():
            assert torch.equal(copies[name], value)
            assert copies[name].stride() == value.stride()
            assert not copies[name].requires_grad
            copies[name].zero_()
    assert float(weight.detach().sum()) == 15
    assert int(tensors["count"]) == 3


def test_copies_stay_on_their_device_or_go_to_another():
    meta = {"a": torch.empty(2, device="meta"), "b": torch.zeros(2)}
    assert [value.device.type for value in copied(meta).values()] == ["meta", "cpu"]
    assert copied({"b": meta["b"]}, "meta")["b"].device.type == "meta"
