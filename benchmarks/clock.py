"""A device's clock and its memory, for benchmarks that run on a CPU and on a GPU."""

import gc
import resource
import statistics
import time
from collections.abc import Callable

import torch


class Clock:
    """A device's clock and its memory."""

    def __init__(self, device: str) -> None:
        self.device, self.cuda = device, device.startswith("cuda")
        self.name = torch.cuda.get_device_name() if self.cuda else "CPU"

    def cpu_and_wall(self, work: Callable[[], object]) -> tuple[float, float]:
        """Return the CPU seconds of this process and the wall-clock seconds of work, to its end."""
        self._settle()
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        self._settle()
        return time.process_time() - cpu, time.perf_counter() - wall

    def seconds(self, work: Callable[[], object]) -> float:
        """Return how long work takes, to its end on the device."""
        return self.cpu_and_wall(work)[1]

    def median_ms(self, work: Callable[[], object], repeats: int = 10) -> float:
        """Return the median of several runs after one that warms up."""
        times = [self.seconds(work) for _ in range(repeats + 1)][1:]
        return round(1000 * statistics.median(times), 2)

    def forget_peak(self) -> None:
        """Begin to measure memory anew, where the device can."""
        gc.collect()
        if self.cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def peak_above(self, work: Callable[[], object]) -> int:
        """Return the bytes of a GPU that work takes beyond what stands, at its peak."""
        self.forget_peak()
        before = torch.cuda.memory_allocated()
        work()
        self._settle()
        return torch.cuda.max_memory_allocated() - before

    def peak_gib(self) -> float:
        """Return the largest memory since then; on a CPU, of the whole process."""
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        size = torch.cuda.max_memory_allocated() if self.cuda else 1024 * kilobytes
        return round(size / 2**30, 2)

    def _settle(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()
