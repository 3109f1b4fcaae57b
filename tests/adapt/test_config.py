"""Domains and configurations: what is refused, and how options are laid over."""

import pytest

from itportrait.adapt import AdaptConfig, DomainSpec, resolve
from itportrait.errors import InvalidArgumentError

TEXT = {"name": "bronze", "mode": "text", "prompt": "a bronze statue"}


def test_published_defaults():
    config, spec = AdaptConfig(), DomainSpec.parse(TEXT)
    assert (config.apt.learning_rate, config.apt.betas) == (2e-3, (0.0, 0.99))
    assert (config.ite.learning_rate, config.ite.betas) == (1.6e-3, (0.0, 0.992))
    assert (config.threshold.value, config.threshold.text_probability) == (0.65, 0.35)
    assert (config.ite.batch, config.ite.pair_weight, config.ite.pinned_rows) == (2, 0.2, 1)
    assert config.ite.frozen_camera == "matched"
    assert (spec.steps, spec.train, spec.source_prompt) == (401, "synthesis_sr", "Photo")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"name": "a", "mode": "text"}, "needs a prompt"),
        ({"name": "a", "mode": "image_text", "prompt": "x"}, "at least one picture"),
        ({"name": "a", "mode": "image"}, "at least one picture"),
        ({"name": "../a", "mode": "text", "prompt": "x"}, "name"),
        ({**TEXT, "stpes": 3}, "unknown key 'stpes'; known: "),
        ({**TEXT, "steps": 0}, "steps"),
        ({**TEXT, "mode": "both"}, "mode"),
    ],
)
def test_a_wrong_domain_is_refused(data, message):
    with pytest.raises(InvalidArgumentError, match=message):
        DomainSpec.parse(data)


def test_options_are_laid_over_nested_or_dotted():
    spec = DomainSpec.parse(
        {**TEXT, "options": {"apt.l2": 0.5, "ite": {"views": {"fov_deg": 20}}, "ema": 0.99}}
    )
    config = resolve(spec, AdaptConfig.parse({"apt": {"batch": 2}}))
    assert (config.apt.l2, config.apt.batch) == (0.5, 2)
    assert config.ite.views.fov_deg == 20
    assert config.ite.views.yaw_a == (-0.6, -0.5, -0.4)
    assert config.ema == 0.99


@pytest.mark.parametrize("options", [{"apt.l3": 1}, {"apt": {"l3": 1}}, {"apt.l2.x": 1}, {"b": 1}])
def test_unknown_options_name_the_domain(options):
    with pytest.raises(InvalidArgumentError, match="bronze"):
        resolve(DomainSpec.parse({**TEXT, "options": options}), AdaptConfig())


def test_a_preset_lies_below_what_is_given():
    config = AdaptConfig.parse({"preset": "mini", "ite": {"identity": 0.1}})
    assert config.ite.views.kind == "prior"
    assert config.ite.identity == 0.1
    assert config.threshold.value == "auto"
    spec = DomainSpec.parse({**TEXT, "options": {"ite.views.kind": "published"}})
    assert resolve(spec, config).ite.views.kind == "published"
    assert resolve(spec, config).ite.identity == 0.1
    with pytest.raises(InvalidArgumentError, match="known: mini, published"):
        AdaptConfig.parse({"preset": "maxi"})


def test_settings_of_no_other_method_leave_the_section_as_the_first_release_knew_it():
    assert "methods" not in AdaptConfig().model_dump(mode="json")
    assert AdaptConfig.parse(AdaptConfig().model_dump(mode="json")) == AdaptConfig()
