"""A method of another package, which fits nothing: from its settings to stylized portraits."""

import inspect
from typing import ClassVar

import pytest
import torch

from itportrait.adapt import (
    AdaptConfig,
    DomainSpec,
    adapt_domain,
    adapt_fingerprint,
    misfits,
    resolve,
)
from itportrait.adapt.methods import METHODS, config_of
from itportrait.adapt.methods.itportrait.config import ItportraitConfig
from itportrait.adapt.settings import FinetuningConfig, MethodConfig
from itportrait.align.config import AlignConfig
from itportrait.bank.store import Bank
from itportrait.errors import InvalidArgumentError
from itportrait.records import InvertedRecord, Status
from itportrait.styles import Codes, read_style
from itportrait.styles.names import STYLE_FILE
from itportrait.stylize import StylizeConfig, Stylizer
from itportrait.training.domain_job import DomainJob
from itportrait.training.trained_domain import collect_result
from tests.helpers import looking_method
from tests.helpers.latent_style import LatentStyle
from tests.helpers.method_runs import recorded
from tests.helpers.tiny_family import own_samples, tiny_bundle

WORDS = {"name": "red", "mode": "text", "prompt": "red", "source_prompt": "green", "steps": 6}
LOOKING = {**WORDS, "method": "tests-looking"}


@pytest.fixture(scope="module")
def base():
    return tiny_bundle()


@pytest.fixture
def settings():
    shared = {"probe": {"every": 2, "count": 3, "images": 2}, "truncation_psi": 0.9}
    return AdaptConfig.parse({**shared, "methods": {"tests-looking": {"portraits": 4}}})


def digest(spec, config):
    return adapt_fingerprint(DomainSpec.parse(spec), config, "tiny-0")


def run(base, settings, **kwargs):
    return recorded(base, DomainSpec.parse(LOOKING), settings, **kwargs)


def test_it_is_short():
    source = inspect.getsource(looking_method.LookingConfig)
    source += inspect.getsource(looking_method.LookingMethod)
    assert len(source.splitlines()) < 40


def test_it_is_scored_selected_and_resumed_as_every_method_is(base, settings):
    begun = []
    result, reports, states = run(base, settings, on_start=begun.append)
    assert begun[0].metrics["identity"] == pytest.approx(1, abs=1e-4)
    assert [report.step for report in reports] == [2, 4, 6]
    assert all("train/likeness" in report.metrics for report in reports)
    assert reports[-1].metrics["identity"] < 1
    assert isinstance(result.style, LatentStyle)
    assert (result.others, result.notes) == ({}, {})
    assert result.style.info["step"] == result.step
    assert result.style.info["metrics"] == result.metrics
    assert float(result.style.direction.abs().max()) > 0
    again, later, _ = run(base, settings, resume_state=states[0])
    assert [report.step for report in later] == [4, 6]
    assert torch.equal(again.style.direction, result.style.direction)
    assert again.curve == result.curve


def test_its_style_is_that_of_the_kept_step(base):
    shared = {"probe": {"every": 2, "count": 3, "images": 0}}
    never = AdaptConfig.parse({**shared, "selection": {"min_gain": 100.0}})
    kept, _, _ = run(base, never)
    last, _, _ = run(base, AdaptConfig.parse({"probe": {**shared["probe"], "every": 6}}))
    assert (kept.step, last.step) == (2, 6)
    assert not torch.equal(kept.style.direction, last.style.direction)


def test_it_is_published_and_read_back(base, settings, tmp_path):
    result, _, _ = run(base, settings)
    spec = DomainSpec.parse(LOOKING)
    places = {"bundle": "tiny", "align": AlignConfig(), "model_id": base.model_id}
    job = DomainJob.of(spec, adapt=settings, **places)
    trained = collect_result(job, result, base.model_id, [])
    bank = Bank(str(tmp_path))
    version = bank.publish(trained.version(), trained.files)
    assert set(trained.files) >= {STYLE_FILE, "card.md", "curve.parquet", "preview.png"}
    assert bank.find("red", job.fingerprint).version == version.version
    style = read_style((tmp_path / "red" / version.version / STYLE_FILE).read_bytes())
    assert torch.equal(style.direction, result.style.direction)


def test_its_style_stylizes_portraits(base, settings):
    style = run(base, settings)[0].style
    aligned, ws = own_samples(base, 2)
    inverted = [
        InvertedRecord(
            record_id=photo.record_id, camera=photo.camera, w_plus=code.flatten().numpy()
        )
        for photo, code in zip(aligned, ws, strict=True)
    ]
    stylizer = Stylizer(StylizeConfig.parse({"views_deg": [[20, 0]]}), base, {"red": style})
    rows = stylizer.stylize(aligned, inverted, "red")
    assert [row.status for row in rows] == [Status.OK] * 2
    assert all(
        (row.pixels[0] != photo.pixels).any() for row, photo in zip(rows, aligned, strict=True)
    )
    codes = Codes.of(inverted, base.generator)
    expected = base.generator.synthesize(codes.ws + style.direction, codes.cameras).image
    torch.testing.assert_close(style.prepare(base.generator).render(codes).image, expected)


def test_its_settings_are_its_own(settings):
    spec = DomainSpec.parse({**LOOKING, "options": {"portraits": 5, "probe.count": 4}})
    resolved = resolve(spec, settings)
    assert isinstance(resolved, looking_method.LookingConfig)
    assert (resolved.portraits, resolved.truncation_psi) == (5, 0.9)
    assert (resolved.probe.count, resolved.probe.every) == (4, 2)
    assert resolve(DomainSpec.parse(LOOKING), settings).portraits == 4
    assert resolve(DomainSpec.parse(LOOKING), AdaptConfig()).portraits == 8


class OwnDefaults(FinetuningConfig):
    ema: float = 0.999
    presets: ClassVar = {"published": {"probe": {"every": 100}}}


def test_its_own_defaults_of_shared_settings_hold_where_nothing_else_is_said(monkeypatch):
    monkeypatch.setattr(looking_method.LookingMethod, "Config", OwnDefaults)
    spec = DomainSpec.parse(LOOKING)
    usual = resolve(spec, AdaptConfig())
    assert (usual.ema, usual.probe.every, usual.probe.count) == (0.999, 100, 8)
    said = {"ema": 0.9, "probe": {"count": 3}, "methods": {"tests-looking": {"probe": {"seed": 1}}}}
    config = resolve(spec, AdaptConfig.parse(said))
    assert (config.ema, config.probe.every) == (0.9, 100)
    assert (config.probe.count, config.probe.seed) == (3, 1)
    mini = {"methods": {"tests-looking": {"preset": "mini"}}}
    assert resolve(spec, AdaptConfig.parse(mini)).probe.every == 20


class VariantConfig(ItportraitConfig):
    extra: float = 1.0


def test_a_variant_of_itportrait_has_settings_of_its_own(monkeypatch):
    monkeypatch.setattr(looking_method.LookingMethod, "Config", VariantConfig)
    said = {"preset": "mini", "apt": {"batch": 3}, "methods": {"tests-looking": {"extra": 2}}}
    config = resolve(DomainSpec.parse(LOOKING), AdaptConfig.parse(said))
    assert isinstance(config, VariantConfig)
    assert (config.extra, config.apt.batch, config.threshold.value) == (2.0, 3, "auto")


def test_unknown_settings_are_refused_with_the_known_ones():
    for options in ({"portrait": 3}, {"apt.batch": 2}):
        spec = DomainSpec.parse({**LOOKING, "options": options})
        with pytest.raises(InvalidArgumentError, match="'red'") as error:
            resolve(spec, AdaptConfig())
        if "portrait" in options:
            assert "unknown key 'portrait'; known: portraits, precision, preset" in str(error.value)
    for section, message in (
        ({"tests-looking": {"portrait": 3}}, "unknown key 'portrait'; known: portraits, precision"),
        ({"tests-looking": {"portraits": 1}}, "greater than or equal to 2"),
        ({"tests-lookin": {}}, "unknown adaptation method 'tests-lookin'; known: .*itportrait"),
        ({"itportrait": {}}, "directly under `adapt`"),
    ):
        with pytest.raises(InvalidArgumentError, match=message):
            AdaptConfig.parse({"methods": section})


def test_what_it_is_not_guided_by_is_refused_at_once(base):
    picture = {"name": "red", "mode": "image", "references": ["a.png"], "method": "tests-looking"}
    spec = DomainSpec.parse(picture)
    assert misfits(DomainSpec.parse(LOOKING)) == {}
    assert "one that gives method 'tests-looking' of text" in misfits(spec)["mode"]
    with pytest.raises(InvalidArgumentError, match="which gives it image; choose another"):
        adapt_domain(base, spec, references=[])
    assert misfits(DomainSpec.parse({**picture, "method": "itportrait"})) == {}


def test_its_fingerprint_is_made_of_what_it_reads(monkeypatch):
    plain = digest(LOOKING, AdaptConfig())
    for unread in ({"apt": {"batch": 3}}, {"ite": {"batch": 5}}, {"ema": 0.9}):
        assert digest(LOOKING, AdaptConfig.parse(unread)) == plain
    read = [{"truncation_psi": 0.5}, {"probe": {"count": 5}}, {"selection": {"patience": 2}}]
    own = [{"methods": {"tests-looking": {"portraits": 3}}}]
    digests = {digest(LOOKING, AdaptConfig.parse(values)) for values in [*read, *own]}
    assert len(digests | {plain}) == 5
    assert digest({**LOOKING, "options": {"portraits": 3}}, AdaptConfig()) in digests
    of_ours = digest(WORDS, AdaptConfig())
    assert digest(WORDS, AdaptConfig.parse(own[0])) == of_ours
    monkeypatch.setattr(looking_method.LookingMethod, "VERSION", 2)
    assert digest(LOOKING, AdaptConfig()) not in digests | {plain}
    assert digest(WORDS, AdaptConfig()) == of_ours


def test_settings_of_this_packages_methods_are_known_without_them():
    for name in METHODS.names():
        assert METHODS.get(name).Config is config_of(name)
        assert issubclass(config_of(name), MethodConfig)
    assert issubclass(config_of("itportrait"), FinetuningConfig)


def test_a_method_that_says_how_many_steps_it_takes_takes_no_more(base, settings, monkeypatch):
    monkeypatch.setattr(looking_method.LookingConfig, "run_steps", lambda self, spec: 1)
    result, reports, states = run(base, settings)
    assert [(report.step, report.last) for report in reports] == [(1, True)]
    assert result.step == 1
    again, later, _ = run(base, settings, resume_state=states[0])
    assert later == []
    assert torch.equal(again.style.direction, result.style.direction)
    assert digest({**LOOKING, "steps": 9}, settings) == digest(LOOKING, settings)
    monkeypatch.undo()
    assert digest({**LOOKING, "steps": 9}, settings) != digest(LOOKING, settings)
