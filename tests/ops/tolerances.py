"""How near implementations are to their reference, by type: shares of the largest magnitude."""

import torch

TOLERANCES = {
    torch.float64: 1e-9,
    torch.float32: 1e-5,
    torch.bfloat16: 2e-2,
    torch.float16: 5e-3,
}

FACTORS = {("modulated_conv2d", "cpu"): 4}
"""Implementations whose sums cancel more: Winograd's products are 4 to 8 times the result."""


def assert_close(actual: torch.Tensor, expected: torch.Tensor, factor: float = 1) -> None:
    """Compare in the type of `actual`, `factor` times as loosely; say where it is worst."""
    assert actual.shape == expected.shape
    if not expected.numel():
        return
    wanted = expected.detach().cpu().double()
    error = (actual.detach().cpu().double() - wanted).abs()
    worst, scale = int(error.argmax()), float(wanted.abs().max()) or 1.0
    assert float(error.max()) <= factor * TOLERANCES[actual.dtype] * scale, (
        f"flat index {worst}: {actual.flatten()[worst]} instead of {expected.flatten()[worst]}"
    )
