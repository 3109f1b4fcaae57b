"""Several workers of one domain, as threads that meet: they share what they must, and no more."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from itportrait.adapt import METHODS, AdaptConfig, adapt_domain
from itportrait.adapt.methods import MethodContext
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


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_workers_see_their_own_codes_and_balance_every_step_alike(
    bundle, make_spec, reference, kind
):
    config = AdaptConfig.parse(
        {
            "pair": {"steps": 2},
            "probe": {"every": 8, "count": 3, "images": 2},
            "threshold": {"kind": kind, "value": "auto", "auto_steps": 3},
        }
    )
    spec = make_spec("image_text", steps=24)
    results, reports, states, workers = adapt_together(bundle, spec, config, [reference])
    first, second = results
    assert first.step == second.step
    assert all(
        torch.equal(first.style.delta[name], value) for name, value in second.style.delta.items()
    )
    assert workers[0].averaged != workers[1].averaged  # distances of their own codes
    for ours, theirs in zip(*reports, strict=True):
        for name in ("train/ite_text_weight", "train/ite_image_distance"):
            assert ours.metrics[name] == theirs.metrics[name]
        assert ours.metrics["train/ite_clip"] != theirs.metrics["train/ite_clip"]
    threshold = states[0][-1]["method"]["threshold"]
    assert threshold == states[1][-1]["method"]["threshold"]
    assert threshold["value"] is not None


def test_the_first_workers_scores_count_for_all(bundle, config, make_spec):
    class Biased(ThreadWorkers):
        def from_first(self, value):
            if self.rank and isinstance(value, dict):  # another machine, which sees it otherwise
                value = {name: number + 1 for name, number in value.items()}
            return super().from_first(value)

    (first, second), *_ = adapt_together(bundle, make_spec(), config, [], Biased)
    assert first.curve == second.curve


OTHER_METHODS = {
    "stylegan_nada+jojogan": {
        "stylegan_nada": {"layer_rows": 2, "choice_codes": 1},
        "jojogan": {"pair": {"steps": 1}},
    },
    "your3demoji": {"teacher": {"steps": 1, "pair": {"steps": 1}}},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "mode"), [("stylegan_nada+jojogan", "image_text"), ("your3demoji", "image")]
)
def test_workers_of_other_methods_stay_alike(bundle, config, make_spec, reference, method, mode):
    spec = make_spec(mode, method=method, steps=3, options=OTHER_METHODS[method])
    results, reports, states, _ = adapt_together(bundle, spec, config, [reference])
    ours, theirs = (state[-1]["method"] for state in states)
    for name, student in ours["students"].items():
        for key, value in student["trained"].items():
            assert torch.equal(value, theirs["students"][name]["trained"][key])
    for key, value in ours.get("back", {}).get("network", {}).items():
        assert torch.equal(value, theirs["back"]["network"][key])
    losses = [{k: v for k, v in each[-1].metrics.items() if "train/" in k} for each in reports]
    assert all(losses[0][name] != value for name, value in losses[1].items())
    assert results[0].curve == results[1].curve


class Elsewhere(Workers):
    """A worker of a rank, with nobody to meet."""

    def __init__(self, rank):
        self.rank = rank


def test_ranks_draw_their_own_codes_and_a_worker_alone_those_of_the_first(
    bundle, config, make_spec
):
    def gradient(*workers):
        context = MethodContext(bundle, make_spec(steps=1), config, [], *workers)
        method = METHODS.get("itportrait")(context)
        method.loss(0).loss.backward()
        return torch.cat([p.grad.flatten() for p in method.students["text"].trained.values()])

    assert torch.equal(gradient(), gradient(Elsewhere(0)))
    assert not torch.equal(gradient(), gradient(Elsewhere(1)))
