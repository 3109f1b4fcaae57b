"""Couplings: parts do in them what they do alone, weighted, on one copy."""

import pytest
import torch

from itportrait.adapt import AdaptConfig, adapt_domain, misfits, resolve
from itportrait.adapt.methods.finetuning import StepLoss
from tests.helpers.method_runs import method_of, recorded, same, snapshot

NAME = "stylegan_nada+jojogan"
FEW = {"stylegan_nada.layer_rows": 2, "stylegan_nada.choice_codes": 2, "jojogan.pair.steps": 1}


@pytest.fixture
def make_method(bundle, make_spec, reference):
    def make(name=NAME, mode="image_text", **options):
        spec = make_spec(mode, method=name, options=options)
        return method_of(bundle, spec, [] if mode == "text" else [reference])

    return make


def gradients(method, part: StepLoss):
    """Return what a step would move each parameter by, before Adam."""
    student = method.students["adapted"]
    student.optimizer = torch.optim.SGD(student.trained.values(), lr=1.0)
    before = snapshot(student.trained)
    student.update(part, method.context.workers)
    return {name: before[name] - value.detach() for name, value in student.trained.items()}


def test_a_step_is_the_weighted_sum_of_its_parts_steps(make_method):
    coupled = make_method(**FEW, **{"stylegan_nada.weight": 0.5, "jojogan.weight": 3.0})
    words = make_method("stylegan_nada", "text", layer_rows=2, choice_codes=2)
    picture = make_method("jojogan", "image", **{"pair.steps": 1})
    part = coupled.loss(4)
    assert set(part.log) == {"nada_clip", "jojogan_features"}
    whole = gradients(coupled, part)
    of_words, of_picture = (gradients(each, each.loss(4)) for each in (words, picture))
    chosen = set(part.trained)
    assert 0 < len(chosen) < len(whole)
    for name, value in whole.items():
        expected = 3.0 * of_picture[name]
        if name in chosen:
            expected = expected + 0.5 * of_words[name]
        torch.testing.assert_close(value, expected, rtol=1e-3, atol=1e-5)


def test_both_losses_fall_and_a_resumed_run_gives_the_same(bundle, config, make_spec, reference):
    options = {**FEW, "learning_rate": 0.03, "probe.every": 4}
    spec = make_spec("image_text", method=NAME, options=options)
    result, reports, states = recorded(bundle, spec, config, [reference])
    for name in ("train/nada_clip", "train/jojogan_features"):
        assert reports[-1].metrics[name] < reports[0].metrics[name]
    assert len(result.notes["pairs"]) == 1
    again = adapt_domain(bundle, spec, config, references=[reference], resume_state=states[0])
    assert same(again.style, result.style)


def test_settings_stand_under_the_parts_names(make_spec):
    spec = make_spec("image_text", method=NAME, options={"jojogan.mixing": 0.5})
    section = {NAME: {"stylegan_nada": {"batch": 5}, "learning_rate": 0.1}}
    config = resolve(spec, AdaptConfig.parse({"preset": "mini", "methods": section}))
    assert (config.jojogan.mixing, config.stylegan_nada.batch, config.learning_rate) == (
        0.5,
        5,
        0.1,
    )
    assert (config.stylegan_nada.layer_rows, config.jojogan.pair.steps) == (7, 50)
    assert config.unread(spec) == ("stylegan_nada.direction_samples",)


@pytest.mark.parametrize("mode", ["text", "image"])
def test_one_guide_alone_is_refused(make_spec, mode):
    assert "must be image_text" in misfits(make_spec(mode, method=NAME))["mode"]
