"""The whole stage on a tiny family: modes, resume, and what is refused."""

import io
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from itportrait.adapt import AdaptConfig, DomainSpec, adapt_domain, adapt_fingerprint, resolve
from itportrait.adapt.methods.itportrait.scenes import SceneSource
from itportrait.bundle import load_bundle
from itportrait.errors import CheckpointError, NoInputError, UnknownNameError
from itportrait.generator import precision
from itportrait.learning.seeds import step_rng
from tests.helpers.method_runs import changed, recorded, same, snapshot
from tests.helpers.tiny_folder import write_tiny_bundle


def through_disk(state):
    """Write a state and read it back without running any code of the file."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)


@pytest.mark.parametrize("mode", ["text", "image", "image_text"])
def test_every_mode_reports_selects_and_resumes_identically(
    bundle, config, make_spec, reference, mode
):
    spec = make_spec(mode)
    references = None if mode == "text" else [reference]
    result, reports, states = recorded(bundle, spec, config, references)
    assert [report.step for report in reports] == [4, 8]
    assert [report.last for report in reports] == [False, True]
    assert len(reports[0].images) == 2
    assert result.step in (4, 8)
    assert len(result.notes["pairs"]) == (0 if mode == "text" else 1)
    assert list(result.others) == (["image"] if mode == "image_text" else [])
    expected = {"identity", "depth_distance", "depth_variance", "diversity", "view_consistency"}
    assert expected | {"seconds", "style"} <= set(result.metrics)
    assert ("clip_direction" in result.metrics) == (mode != "image")
    assert ("clip_image" in result.metrics) == (mode != "text")
    assert result.style.info["spec"]["name"] == "red"

    resumed, later, _ = recorded(
        bundle, spec, config, references, resume_state=through_disk(states[0])
    )
    assert [report.step for report in later] == [8]
    assert same(resumed.style, result.style)
    assert resumed.curve == result.curve
    assert through_disk(states[1])["step"] == 8


def test_fast_training_has_master_weights_of_single_precision(
    bundle, config, make_spec, monkeypatch
):
    monkeypatch.setattr(precision, "has_bf16_units", lambda: True)
    exact = adapt_domain(bundle, make_spec(), config)
    fast = adapt_domain(bundle, make_spec(), config.model_copy(update={"precision": "fast"}))
    assert fast.notes["precision"] == "bf16"
    assert "precision" not in exact.notes
    assert bundle.generator.precision is precision.FP32  # the base, as it was
    assert not same(fast.style, exact.style)
    change, wanted = fast.style.delta, exact.style.delta
    assert {value.dtype for value in change.values()} == {torch.float32}
    # A step is as long as its rate, far below what bfloat16 tells apart: rounded weights would
    # have stayed where they were.
    for name, value in wanted.items():
        moved, expected = ((each != 0).float().mean() for each in (change[name], value))
        assert float(moved) == pytest.approx(float(expected), abs=0.01)
    assert fast.metrics["style"] == pytest.approx(exact.metrics["style"], abs=0.02)


def test_the_same_seed_gives_the_same_adapter_and_another_does_not(bundle, config, make_spec):
    first = adapt_domain(bundle, make_spec(), config)
    assert same(adapt_domain(bundle, make_spec(), config).style, first.style)
    assert not same(adapt_domain(bundle, make_spec(seed=6), config).style, first.style)


def test_words_pull_the_renders_their_way(bundle, config, make_spec):
    spec = make_spec(steps=40, options={"ite.learning_rate": 0.01, "probe.every": 10})
    _, reports, _ = recorded(bundle, spec, config)
    scores = [report.metrics["clip_direction"] for report in reports]
    losses = [report.metrics["train/ite_clip"] for report in reports]
    assert scores[-1] > max(scores[0], 0.5)
    assert losses[-1] < losses[0] - 0.1


def test_models_guide_by_their_part_in_the_bundle_unless_told(bundle, config, make_spec):
    def first_loss(weights, **options):
        models = {"clips": bundle.clips * len(weights), "clip_weights": weights}
        several = SimpleNamespace(**{**vars(bundle), **models})
        spec = make_spec(steps=1, options={"probe.every": 1, **options})
        return recorded(several, spec, config)[1][-1].metrics["train/ite_clip"]

    alone = first_loss([1.0])
    assert first_loss([1.0, 0.2]) == pytest.approx(1.2 * alone, rel=1e-4)
    told = {"ite.clip_weights": (0.5, 0.0)}
    assert first_loss([1.0, 0.2], **told) == pytest.approx(0.5 * alone, rel=1e-4)


def test_a_picture_pulls_the_renders_towards_itself(bundle, config, make_spec, reference):
    spec = make_spec("image", steps=40, options={"probe.every": 10, "apt.l2": 1.0})
    _, reports, _ = recorded(bundle, spec, config, [reference])
    losses = [report.metrics["train/apt_l2"] for report in reports]
    assert losses[-1] < 0.7 * losses[0]
    assert reports[-1].metrics["clip_image_gain"] > 0.01


def test_the_pairs_direction_reaches_other_people(bundle, config, make_spec, reference):
    options = {"apt.direction": 1.0, "apt.perceptual": 0.0, "ite.views.yaw_b": []}
    options |= {
        "ite.identity": 0.5,
        "ite.depth": 0.5,
        "ite.structure": 0.1,
        "ite.augment": 1,
        "ite.reach": 0.5,
    }
    spec = make_spec("image", steps=30, options={**options, "probe.every": 10})
    _, reports, _ = recorded(bundle, spec, config, [reference])
    losses = [report.metrics["train/apt_direction"] for report in reports]
    assert losses[-1] < losses[0] - 0.1
    assert reports[-1].metrics["clip_image_gain"] > 0.01


def test_the_coupled_copy_follows_the_image_adapted_one(bundle, config, make_spec, reference):
    options = {"threshold": {"value": 0.0, "text_probability": 0.0}, "apt.l2": 1.0}
    options |= {"ite.follow": 1.0, "ite.direction": 0.0, "probe.every": 20}
    spec = make_spec("image_text", steps=60, options=options)
    _, reports, _ = recorded(bundle, spec, config, [reference])
    assert all(report.metrics["train/ite_text_weight"] == 0 for report in reports)
    assert reports[-1].metrics["clip_image_gain"] > 0.01


def test_the_picture_leads_and_the_result_goes_on_from_its_copy(
    bundle, config, make_spec, reference
):
    spec = make_spec("image_text", options={"lead": 0.5, "selection.patience": 1})
    result, reports, states = recorded(bundle, spec, config, [reference])
    copies = [state["method"]["students"] for state in states]
    led, last = ({name: each["trained"] for name, each in copy.items()} for copy in copies)
    assert all(torch.equal(led["text"][name], led["image"][name]) for name in led["image"])
    assert all(torch.equal(last["image"][name], led["image"][name]) for name in led["image"])
    assert any(not torch.equal(last["text"][name], led["text"][name]) for name in led["text"])
    assert "train/ite_text_weight" not in reports[0].metrics
    assert "train/ite_text_weight" in reports[1].metrics
    assert reports[0].metrics["clip_image_gain"] != 0
    resumed, _, _ = recorded(
        bundle, spec, config, [reference], resume_state=through_disk(states[0])
    )
    assert same(resumed.style, result.style)


def test_scenes_of_a_pool_are_rendered_once(bundle, config, make_spec):
    spec = make_spec(options={"ite.pool": 3})
    resolved = resolve(spec, config)
    pooled = SceneSource(bundle, resolved, [], seed=5, rank=0)
    again = SceneSource(bundle, resolved, [], seed=5, rank=0)
    scenes = [pooled.draw(step_rng(5, 0, step)) for step in range(20)]
    assert len({tuple(row) for scene in scenes for row in scene.ws[:, 0].tolist()}) == 3
    late = again.draw(step_rng(5, 0, 19))
    assert torch.equal(late.image, scenes[19].image)
    fresh = bundle.generator.synthesize(late.ws.repeat(2, 1, 1), torch.cat(late.cameras))
    torch.testing.assert_close(late.image, fresh.image, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(late.depth, fresh.image_depth, atol=1e-4, rtol=1e-4)
    _, _, states = recorded(bundle, spec, config)
    full = adapt_domain(bundle, spec, config)
    assert same(adapt_domain(bundle, spec, config, resume_state=states[0]).style, full.style)


def test_the_base_is_left_alone(bundle, config, make_spec, reference):
    before = snapshot(bundle.generator)
    adapt_domain(bundle, make_spec("image_text"), config, references=[reference])
    assert not changed(bundle.generator, before)
    assert all(parameter.grad is None for parameter in bundle.generator.parameters())


def test_only_the_preset_is_trained(bundle, config, make_spec):
    result = adapt_domain(bundle, make_spec(train="planes_only"), config)
    assert all(name.startswith("backbone.synthesis.") for name in result.style.delta)


def test_an_average_of_the_weights_can_be_kept(bundle, config, make_spec):
    spec = make_spec(options={"ema": 0.9})
    averaged, _, states = recorded(bundle, spec, config)
    plain = adapt_domain(bundle, make_spec(), config)

    def size(adapter):
        return math.sqrt(sum(float(delta.square().sum()) for delta in adapter.delta.values()))

    assert 0 < size(averaged.style) < size(plain.style)
    resumed = adapt_domain(bundle, spec, config, resume_state=states[0])
    assert same(resumed.style, averaged.style)


def test_a_state_of_another_run_is_refused(bundle, config, make_spec):
    _, _, states = recorded(bundle, make_spec(), config)
    with pytest.raises(CheckpointError, match="start it anew"):
        adapt_domain(bundle, make_spec(seed=9), config, resume_state=states[0])


def test_names_and_files_that_do_not_exist(bundle, config, make_spec, tmp_path):
    with pytest.raises(UnknownNameError, match="itportrait"):
        adapt_domain(bundle, make_spec(method="magic"), config)
    with pytest.raises(UnknownNameError, match="planes_only"):
        adapt_domain(bundle, make_spec(train="magic"), config)
    spec = make_spec("image", references=[str(tmp_path / "absent.png")])
    with pytest.raises(NoInputError, match=r"absent\.png"):
        adapt_domain(bundle, spec, config)


def test_the_fingerprint_follows_what_matters(bundle, config, make_spec, reference):
    def digest(spec, config=config, model="m", references=()):
        return adapt_fingerprint(spec, config, model, references)

    base = digest(make_spec())
    assert digest(make_spec(tags={"team": "a"}, license="CC0")) == base
    assert (
        len(
            {
                base,
                digest(make_spec(steps=9)),
                digest(make_spec(prompt="blue")),
                digest(make_spec(), AdaptConfig()),
                digest(make_spec(options={"ite.depth": 1.0})),
                digest(make_spec(), model="n"),
                digest(make_spec("image"), references=[reference]),
            }
        )
        == 7
    )


def test_the_baseline_is_the_base_even_where_a_method_styles_from_the_start(tmp_path, monkeypatch):
    monkeypatch.setenv("ITPORTRAIT_CACHE", str(tmp_path / "cache"))
    write_tiny_bundle(tmp_path / "bundle")
    bundle, begun, reports = load_bundle(tmp_path / "bundle"), [], []
    few = {"beta": 0.0, "relevance": {"samples": 1, "statistics_samples": 64}}
    spec = DomainSpec.parse(
        {"name": "red", "mode": "text", "prompt": "red", "method": "styleclip"}
        | {"options": {f"directions.{key}": value for key, value in few.items()}}
    )
    settings = AdaptConfig.parse({"probe": {"count": 2, "images": 1}})
    adapt_domain(bundle, spec, settings, on_start=begun.append, on_report=reports.append)
    assert begun[0].metrics["identity"] == pytest.approx(1, abs=1e-4)
    assert begun[0].metrics["depth_variance"] == pytest.approx(1, abs=1e-4)
    assert not np.array_equal(begun[0].images[0], reports[0].images[0])


def test_the_unadapted_generator_is_shown_before_the_first_step(bundle, config, make_spec):
    begun = []
    plain = adapt_domain(bundle, make_spec(), config)
    shown, _, states = recorded(bundle, make_spec(), config, on_start=begun.append)
    assert [report.step for report in begun] == [0]
    assert begun[0].metrics["identity"] == pytest.approx(1, abs=1e-4)
    assert begun[0].metrics["depth_variance"] == pytest.approx(1, abs=1e-4)
    assert len(begun[0].images) == 2
    assert same(shown.style, plain.style)  # to look changes nothing
    adapt_domain(bundle, make_spec(), config, resume_state=states[0], on_start=begun.append)
    assert len(begun) == 1  # a resumed run has begun already
