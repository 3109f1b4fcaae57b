"""The rule by which a step is kept."""

import pytest
import torch

from itportrait.adapt.selection import Selection
from itportrait.adapt.settings import SelectionConfig


def run(curve, **fields):
    """Feed (style, identity, depth variance) triples; return the selection."""
    selection = Selection(SelectionConfig.parse(fields))
    for number, (style, identity, depth) in enumerate(curve, 1):
        scores = {"style": style, "identity": identity, "depth_variance": depth}
        selection.add(number, scores, {"w": torch.tensor(float(number))})
    return selection


def test_the_flat_tail_is_left_out():
    selection = run([(0.1, 0.9, 1.0), (0.3, 0.9, 1.0), (0.305, 0.9, 1.0)], min_gain=0.01)
    assert selection.kept["step"] == 2
    assert float(selection.tensors["w"]) == 2.0


def test_style_that_costs_too_much_identity_is_left_out():
    curve = [(0.3, 0.9, 1.0), (0.35, 0.7, 1.0)]
    assert run(curve, min_gain=0.0, damage_cost=0.5).kept["step"] == 1
    assert run(curve, min_gain=0.0, damage_cost=0.1).kept["step"] == 2


@pytest.mark.parametrize("bad", [(0.9, 0.4, 1.0), (0.9, 0.9, 0.6)])
def test_a_step_below_a_floor_never_replaces_a_fit_one(bad):
    assert run([(0.3, 0.9, 1.0), bad]).kept["step"] == 1


def test_a_fit_step_replaces_an_unfit_one_whatever_its_style():
    assert run([(0.9, 0.2, 1.0), (0.1, 0.3, 1.0), (0.05, 0.8, 1.0)]).kept["step"] == 3


def test_patience_ends_the_run():
    curve = [(0.3, 0.9, 1.0), (0.3, 0.9, 1.0)]
    assert not run(curve, patience=2).exhausted
    assert run([*curve, curve[0]], patience=2).exhausted


def test_kept_weights_are_copies_and_state_goes_on():
    selection = Selection(SelectionConfig())
    live = torch.zeros(2)
    scores = {"style": 0.1, "identity": 0.9, "depth_variance": 1.0}
    selection.add(1, scores, {"w": live})
    live += 1
    assert torch.equal(selection.tensors["w"], torch.zeros(2))
    other = Selection(SelectionConfig())
    other.load_state_dict(selection.state_dict())
    assert (other.kept, other.curve) == (selection.kept, selection.curve)
    assert torch.equal(other.tensors["w"], torch.zeros(2))
