"""What is characteristic of Your3dEmoji: pairs of a frozen teacher, there and back."""

from types import SimpleNamespace

import pytest
import torch

from itportrait.adapt import adapt_domain, misfits
from itportrait.adapt.layers import row_set
from itportrait.adapt.sampling import random_codes
from itportrait.learning.seeds import step_rng
from tests.helpers.method_runs import (
    SecondWorker,
    changed,
    method_of,
    recorded,
    same,
    snapshot,
)

FEW = {
    "teacher.steps": 3,
    "teacher.pair.steps": 1,
    "teacher.learning_rate": 0.03,
    "learning_rate": 0.01,
    "pairs": 4,
}


@pytest.fixture
def make_method(bundle, make_spec, reference):
    def make(models=bundle, **options):
        spec = make_spec("image", method="your3demoji", options={**FEW, **options})
        return method_of(models, spec, [reference])

    return make


def test_a_pair_is_one_person_from_one_camera_with_the_styles_rows(make_method, bundle):
    pairs = make_method().pairs
    drawn = [pairs.draw(step_rng(5, 0, step)) for step in range(12)]
    assert len({tuple(pair.cameras.flatten().tolist()) for pair in drawn}) == 4
    pair, base, rows = drawn[0], bundle.generator, list(row_set("style_rows", bundle.generator))
    mixed = pair.ws.clone()
    mixed[:, rows] = pairs.style[:, rows]
    with torch.no_grad():
        assert torch.equal(pair.photo, base.synthesize(pair.ws, pair.cameras).image)
        assert torch.equal(pair.toon, pairs.teacher.synthesize(mixed, pair.cameras).image)
        assert not torch.equal(pair.toon, base.synthesize(mixed, pair.cameras).image)


def test_all_workers_draw_the_same_pairs_and_go_on_with_the_first_s_teacher(
    bundle, make_spec, reference, make_method
):
    first = make_method()
    state = {**first.teacher.state_dict(), "style": first.teacher.style + 1}
    spec = make_spec("image", method="your3demoji", options=FEW)
    second = method_of(bundle, spec, [reference], workers=SecondWorker(state))
    assert torch.equal(second.teacher.style, first.teacher.style + 1)
    ours, theirs = (method.pairs.draw(step_rng(5, 0, 0)) for method in (first, second))
    assert torch.equal(ours.ws, theirs.ws)
    assert torch.equal(ours.cameras, theirs.cameras)
    assert torch.equal(ours.photo, theirs.photo)
    assert not torch.equal(ours.toon, theirs.toon)  # of the teacher that came from the first


def test_a_step_moves_the_way_there_and_the_way_back_and_nothing_else(make_method, bundle):
    method = make_method()
    parts = {
        "there": method.students["there"].generator,
        "back": method.back.network,
        "teacher": method.pairs.teacher,
        "base": bundle.generator,
        "encoder": bundle.encoder,
    }
    before = {name: snapshot(module) for name, module in parts.items()}
    log = method.step(0)
    assert set(log) == {"emoji_there", "emoji_back", "emoji_cycle"}
    moved = {name for name, module in parts.items() if changed(module, before[name])}
    assert moved == {"there", "back"}


def test_the_cycle_reaches_both_networks(make_method):
    method = make_method(perceptual=0.0, l1=0.0, back=0.0)
    part = method.loss(0)
    assert part.log["emoji_there"] == 0
    part.loss.backward()
    for parameters in (method.students["there"].trained.values(), method.back.parameters):
        assert any(p.grad is not None and bool(p.grad.any()) for p in parameters)


def test_without_an_encoder_a_new_one_begins_with_one_w_for_all_rows(make_method, bundle):
    poor = SimpleNamespace(**{**vars(bundle), "encoder": None})
    first, second = make_method(poor), make_method(poor)
    weights, again = snapshot(first.back.network), second.back.network
    assert not changed(again, weights)  # the seed alone decides
    code = first.back.codes(first.pairs.draw(step_rng(5, 0, 0)).toon)
    assert code.shape == (1, bundle.generator.num_ws, bundle.generator.w_dim)
    assert torch.equal(code, code[:, :1].expand_as(code))
    w = random_codes(bundle, 4096, step_rng(6, 0, 0))[:, 0]  # others than the encoder's
    assert ((again.w_avg - w.mean(0)).abs() < 0.15 * w.std(0)).all()
    torch.testing.assert_close(again.w_std, w.std(0), rtol=0.15, atol=0)
    first.step(0)
    assert changed(first.back.network, weights)


def test_losses_fall_and_a_resumed_run_trains_no_teacher_again(
    bundle, config, make_spec, reference, monkeypatch
):
    options = {**FEW, "probe.every": 5, "back_learning_rate": 1e-3}
    spec = make_spec("image", method="your3demoji", steps=10, options=options)
    result, reports, states = recorded(bundle, spec, config, [reference])
    first, last = (report.metrics["train/emoji_there"] for report in (reports[0], reports[-1]))
    assert last < 0.95 * first
    assert reports[-1].metrics["clip_image_gain"] > 0
    assert len(result.notes["pairs"]) == 1
    monkeypatch.setattr(
        "itportrait.compared.your3demoji.method.Teacher.train", lambda _: pytest.fail("again")
    )
    again = adapt_domain(bundle, spec, config, references=[reference], resume_state=states[0])
    assert same(again.style, result.style)


def test_one_picture_alone_guides(make_spec):
    assert "must be image" in misfits(make_spec("text", method="your3demoji"))["mode"]
    two = make_spec("image", method="your3demoji", references=["a.png", "b.png"])
    assert "which gives it images" in misfits(two)["mode"]
