"""Workers of one domain as threads that meet, so that one process shows what many share."""

import threading
from concurrent.futures import ThreadPoolExecutor

import torch

from itportrait.adapt import adapt_domain
from itportrait.adapt.workers import Workers


class Meeting:
    """Where so many threads bring a value each and take all of them along."""

    def __init__(self, count):
        self.barrier, self.values = threading.Barrier(count, timeout=60), [None] * count

    def exchange(self, rank, value):
        self.values[rank] = value
        self.barrier.wait()
        found = list(self.values)
        self.barrier.wait()
        return found


class ThreadWorkers(Workers):
    """A worker in a thread."""

    def __init__(self, meeting, rank):
        self.meeting, self.rank, self.averaged = meeting, rank, []
        self.count = len(meeting.values)

    def average_gradients(self, parameters):
        for parameter in parameters:
            grads = self.meeting.exchange(self.rank, parameter.grad.clone())
            parameter.grad = torch.stack(grads).mean(0)

    def average(self, value):
        self.averaged.append(value)
        values = self.meeting.exchange(self.rank, value)
        return sum(values) / len(values)

    def from_first(self, value):
        return self.meeting.exchange(self.rank, value)[0]


def adapt_together(bundle, spec, config, references, kind=ThreadWorkers, count=2):
    """Run every worker; return results, reports and states by rank, and the workers."""
    meeting = Meeting(count)
    workers = [kind(meeting, rank) for rank in range(count)]
    reports = [[] for _ in range(count)]
    states = [[] for _ in range(count)]

    def run(rank):
        def on_report(report):
            reports[rank].append(report)
            states[rank].append(report.state())

        return adapt_domain(
            bundle,
            spec,
            config,
            references=references,
            workers=workers[rank],
            on_report=on_report,
        )

    with ThreadPoolExecutor(count) as pool:
        results = list(pool.map(run, range(count)))
    return results, reports, states, workers
