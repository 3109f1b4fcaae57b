"""What is characteristic of JoJoGAN: mixed rows, rows that are kept, all style pictures at once."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from itportrait.adapt import Reference, adapt_domain, misfits
from itportrait.adapt.layers import trained_names
from itportrait.adapt.methods import METHODS
from itportrait.compared.jojogan.method import MixingGuide
from itportrait.learning.seeds import step_rng
from itportrait.losses import FeatureLoss
from tests.helpers.method_runs import changed, method_of, recorded, same, snapshot

FEW = {"pair.steps": 1, "learning_rate": 0.01}


@pytest.fixture
def references(reference):
    turned = np.ascontiguousarray(reference.pixels[::-1, :, ::-1])
    return [reference, Reference(turned, reference.camera, "blue.png")]


@pytest.fixture
def make_method(bundle, make_spec, references):
    def make(count=1, **options):
        spec = make_spec("image", method="jojogan", options={**FEW, **options})
        return method_of(bundle, spec, references[:count])

    return make


@pytest.mark.parametrize(("preserve", "mixed"), [(False, {3, 4, 5}), (True, {3, 5})])
def test_style_rows_are_random_and_all_others_are_the_pictures(make_method, preserve, mixed):
    guide = make_method(preserve_color=preserve).guides["jojogan"]
    first, second = (guide.codes([0], step_rng(5, 0, step)) for step in range(2))
    code = guide.pairs[0].w_plus
    for row in range(code.shape[1]):
        assert torch.equal(first[:, row], code[:, row]) == (row not in mixed)
        assert torch.equal(first[:, row], second[:, row]) == (row not in mixed)


def test_mixing_is_the_random_codes_share(make_method):
    ends = {}
    for share in (0.0, 0.25, 1.0):
        guide = make_method(mixing=share).guides["jojogan"]
        ends[share] = guide.codes([0], step_rng(5, 0, 0))
    assert torch.equal(ends[0.0], guide.pairs[0].w_plus)
    torch.testing.assert_close(ends[0.25], 0.75 * ends[0.0] + 0.25 * ends[1.0])


def test_all_style_pictures_are_one_batch(make_method, bundle):
    method = make_method(2)
    student, guide = method.students["adapted"], method.guides["jojogan"]
    seen = []

    class Watched:
        def synthesize(self, ws, cameras, **options):
            seen.append((ws, cameras))
            return student.generator.synthesize(ws, cameras, **options)

    loss = guide.pull(SimpleNamespace(generator=Watched()), 0).loss
    (ws, cameras), styles = seen[0], [pair.style for pair in guide.pairs]
    assert len(ws) == len(cameras) == 2
    assert not torch.equal(ws[0, 3:], ws[1, 3:])  # each has a random portrait of its own
    with torch.no_grad():
        image = student.generator.synthesize(ws, cameras).image
        compare = FeatureLoss(bundle.perceptual)
        alone = [
            compare(image[n : n + 1], compare.features(style)) for n, style in enumerate(styles)
        ]
    assert float(loss.detach()) == pytest.approx(float(torch.cat(alone).mean()), rel=1e-4)
    few = make_method(2, batch=1).guides["jojogan"]
    drawn = {few.pull(student, index).log["jojogan_features"] for index in range(4)}
    assert len(drawn) == 4
    few.pull(SimpleNamespace(generator=Watched()), 0)
    assert len(seen[-1][0]) == len(seen[-1][1]) == 1


def test_the_loss_falls_base_and_frozen_layers_stay_and_a_resumed_run_gives_the_same(
    bundle, config, make_spec, reference
):
    before = snapshot(bundle.generator)
    options = {**FEW, "probe.every": 4}
    spec = make_spec("image", method="jojogan", options=options)
    result, reports, states = recorded(bundle, spec, config, [reference])
    losses = [report.metrics["train/jojogan_features"] for report in reports]
    assert losses[-1] < 0.9 * losses[0]
    assert reports[-1].metrics["clip_image_gain"] > 0.01
    assert len(result.notes["pairs"]) == 1
    assert not changed(bundle.generator, before)
    assert set(result.style.delta) == set(trained_names(bundle.generator, spec.train))
    again = adapt_domain(bundle, spec, config, references=[reference], resume_state=states[0])
    assert same(again.style, result.style)


def test_a_resumed_run_seeks_no_twin_again(make_method, monkeypatch):
    method = make_method()
    state = method.state_dict()
    monkeypatch.setattr(
        "itportrait.compared.jojogan.method.build_pairs", lambda *_: pytest.fail("again")
    )
    guide = METHODS.get("jojogan")(method.context, state).guides["jojogan"]
    assert isinstance(guide, MixingGuide)
    assert torch.equal(guide.pairs[0].w_plus, method.guides["jojogan"].pairs[0].w_plus)


def test_words_are_refused(make_spec):
    problem = misfits(make_spec("text", method="jojogan"))["mode"]
    assert "must be image with method 'jojogan'" in problem
    assert misfits(make_spec("image", method="jojogan", references=["a.png", "b.png"])) == {}
