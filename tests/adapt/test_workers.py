"""Several workers of one domain, as threads that meet: they share what they must, and no more."""

import pytest
import torch

from itportrait.adapt import METHODS, AdaptConfig
from itportrait.adapt.methods import MethodContext
from itportrait.adapt.workers import Workers
from tests.helpers.method_runs import same
from tests.helpers.thread_workers import ThreadWorkers, adapt_together


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
    assert same(first.style, second.style)
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
