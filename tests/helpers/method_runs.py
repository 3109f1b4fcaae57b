"""What tests of adaptation methods share: a method by itself, a recorded run, and what moved."""

import torch
from torch import nn

from itportrait.adapt import AdaptConfig, adapt_domain, resolve
from itportrait.adapt.methods import METHODS, MethodContext
from itportrait.adapt.workers import Workers
from itportrait.learning.copies import copied


def method_of(bundle, spec, references=(), *, config=None, workers=None, pictures=None):
    """Return the method of a domain, as a run makes it."""
    settings = resolve(spec, config or AdaptConfig())
    context = MethodContext(
        bundle, spec, settings, list(references), workers or Workers(), pictures
    )
    return METHODS.get(spec.method)(context)


def recorded(bundle, spec, config, references=None, **kwargs):
    """Run, and return the result with its reports and the states at them."""
    reports, states = [], []

    def on_report(report):
        reports.append(report)
        states.append(report.state())

    result = adapt_domain(
        bundle, spec, config, references=references, on_report=on_report, **kwargs
    )
    return result, reports, states


def same(style, other):
    """Tell whether two styles are alike to the last bit."""
    ours, theirs = style.tensors(), other.tensors()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[n], theirs[n]) for n in ours)


def snapshot(source):
    """Return copies of the tensors of a module, or of tensors by name."""
    return copied(tensors_of(source))


def changed(source, before):
    """Return the names of the tensors that are no longer those of a snapshot."""
    return {name for name, v in tensors_of(source).items() if not torch.equal(v, before[name])}


def tensors_of(source):
    return source.state_dict() if isinstance(source, nn.Module) else source


class SecondWorker(Workers):
    """A worker with nobody to meet, who is told that the first has a value."""

    rank = 1

    def __init__(self, of_first):
        self.of_first = of_first

    def from_first(self, value):
        return self.of_first
