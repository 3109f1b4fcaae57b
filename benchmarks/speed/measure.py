"""Seconds, memory and arithmetic of two ways to do the same, in turn in one process."""

import gc
import os
import platform
import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.clock import Clock

PEAK_SIDE = 2048
"""Side of the matrices that probe the machine's peak, and 32 times that of a picture that does."""


@dataclass(frozen=True)
class Action:
    """One thing that is waited for, done in two ways that give the same result.

    Args:
        name: of the row.
        reference: the published sequence of operations, or an op's definition.
        ours: what the product does.
        units: how many results one call gives, such as the views of a batch.
        single: the reference for one of them, where it is not the reference itself. Its arithmetic
            is counted: torch counts the gradient of a grouped convolution once for every group.
        brief: whether one pair is measured, whatever is asked for, and its calls follow those that
            memory was measured in: for what takes minutes.
    """

    name: str
    reference: Callable[[], object]
    ours: Callable[[], object]
    units: int = 1
    single: Callable[[], object] | None = None
    brief: bool = False


@dataclass(frozen=True)
class Row:
    """What was measured of one action; seconds and memory are of one call."""

    name: str
    ratio: float
    """Median over pairs of the reference's seconds over ours: CPU seconds on a CPU."""
    reference_cpu_s: float
    ours_cpu_s: float
    reference_wall_s: float
    ours_wall_s: float
    ours_ms_per_result: float
    """Wall-clock milliseconds for one view, picture or portrait."""
    gflop: float
    """Products and sums of the reference's convolutions and matrix products, in 1e9."""
    share_of_peak: float | None
    """What of the run's peak this arithmetic would be in our seconds; None before the run's end.
    Above 1 is possible: Winograd's convolution needs fewer products."""
    reference_peak_mb: float | None
    ours_peak_mb: float | None
    """Memory at its highest above what was held before; None where the machine does not tell."""

    def to_json(self) -> dict[str, Any]:
        """Return plain data, numbers of four digits."""
        return {
            key: float(f"{value:.4g}") if isinstance(value, float) else value
            for key, value in asdict(self).items()
        }


class Machine(Clock):
    """A device's clocks, its memory, and its arithmetic."""

    def __init__(self, device: str, *, peak_side: int = PEAK_SIDE) -> None:
        super().__init__(device)
        left, right = (torch.randn(peak_side, peak_side, device=device) for _ in range(2))
        picture = torch.randn(1, 256, peak_side // 32, peak_side // 32, device=device)
        weight = torch.randn(256, 256, 3, 3, device=device)
        self._probes: tuple[tuple[float, Callable[[], object]], ...] = (
            (2 * peak_side**3, lambda: left @ right),
            (18 * 256 * picture.numel(), lambda: F.conv2d(picture, weight, padding=1)),
        )
        self._peak = 0.0

    def warm_seconds(self, work: Callable[[], object]) -> tuple[float, float]:
        """Return the CPU and wall-clock seconds of a call that follows another one.

        So it does not pay for memory that other work has just given back to the system.
        """
        work()
        return self.cpu_and_wall(work)

    def pair(self, action: Action) -> tuple[tuple[float, float], tuple[float, float]]:
        """Time the reference, then ours; each CPU and wall-clock seconds. Probes the peak too."""
        for flop, work in self._probes * 3:  # between pairs, so that the peak saw the same load
            seconds = self.cpu_and_wall(work)[self.cuda]
            self._peak = max(self._peak, flop / seconds if seconds else 0)
        seconds = self.cpu_and_wall if action.brief else self.warm_seconds
        return seconds(action.reference), seconds(action.ours)

    @property
    def peak_gflops(self) -> float:
        """The fastest product of matrices or convolution of the library so far, in 1e9 a second."""
        return self._peak / 1e9

    def peak_mb(self, work: Callable[[], object]) -> float | None:
        """Return how much memory some work needs above what is held before it."""
        if self.cuda:
            return self.peak_above(work) / 1e6
        gc.collect(1)  # of what is young: old cycles were not made by this work
        try:
            Path("/proc/self/clear_refs").write_text("5")  # the highest resident size begins anew
        except OSError:
            return None
        before = _status_kb("VmRSS")
        work()
        return (_status_kb("VmHWM") - before) * 1024 / 1e6

    def describe(self) -> dict[str, Any]:
        """Return what the figures depend on."""
        name = self.name if self.cuda else _cpu_name()
        return {
            "device": name,
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "vector_units": torch.backends.cpu.get_cpu_capability(),
            "torch": torch.__version__,
            "load": [round(each, 2) for each in os.getloadavg()],
            "peak_gflops": round(self.peak_gflops, 1),
        }


def measure(action: Action, machine: Machine, pairs: int) -> Row:
    """Measure an action: once to warm up, then memory, then seconds in pairs."""
    with FlopCounterMode(display=False) as counter:
        (action.single or action.reference)()
    if not action.brief:
        action.reference()
    action.ours()  # may build native code
    reference_mb, ours_mb = machine.peak_mb(action.reference), machine.peak_mb(action.ours)
    times = [machine.pair(action) for _ in range(1 if action.brief else pairs)]
    clock = 1 if machine.cuda else 0
    reference, ours = ([pair[side] for pair in times] for side in (0, 1))
    cpu = [statistics.median(each[0] for each in side) for side in (reference, ours)]
    wall = [statistics.median(each[1] for each in side) for side in (reference, ours)]
    gflop = counter.get_total_flops() * (action.units if action.single else 1) / 1e9
    return Row(
        name=action.name,
        ratio=statistics.median(pair[0][clock] / pair[1][clock] for pair in times),
        reference_cpu_s=cpu[0],
        ours_cpu_s=cpu[1],
        reference_wall_s=wall[0],
        ours_wall_s=wall[1],
        ours_ms_per_result=1000 * wall[1] / action.units,
        gflop=gflop,
        share_of_peak=None,
        reference_peak_mb=reference_mb,
        ours_peak_mb=ours_mb,
    )


def judged(rows: Iterable[Row], machine: Machine) -> list[Row]:
    """Return the rows of a run with their shares of its peak, which is known at its end."""
    return [
        replace(row, share_of_peak=row.gflop / seconds / machine.peak_gflops) if row.gflop else row
        for row in rows
        for seconds in [row.ours_wall_s if machine.cuda else row.ours_cpu_s]
    ]


def _status_kb(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key + ":"))


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
