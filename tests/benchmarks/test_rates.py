"""The benchmark of rates: what the first call of a batch pays for is in no rate."""

from benchmarks.bm_rates import Measured, inversion
from benchmarks.clock import Clock
from tests.helpers.tiny_family import tiny_bundle

COMPILED_S = 1000.0


class Compiling(Clock):
    """A device that compiles code at the first call of each batch, before which memory is reset."""

    compiled = False

    def forget_peak(self):
        super().forget_peak()
        self.compiled = False

    def seconds(self, work):
        waited = 0.0 if self.compiled else COMPILED_S
        self.compiled = True
        return super().seconds(work) + waited


def test_compiling_is_not_timed():
    found = inversion(tiny_bundle(), Compiling("cpu"), Measured((1, 2), (1, 3)))
    for figures in found["batches"].values():
        assert abs(figures["step_ms"]) < 1000 * COMPILED_S / 10
