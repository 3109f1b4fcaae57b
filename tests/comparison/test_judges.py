"""The words on what measures figures name every metric, and every method trained with it."""

import pytest

from itportrait.adapt.methods import METHODS, config_of
from itportrait.comparison.config import ComparisonConfig
from itportrait.comparison.judges import JUDGES, OF_FEATURES, judges
from itportrait.comparison.names import METRICS

DOMAIN = {"prompt": "a zombie", "pictures": "mini:zombie", "truth": "mini:zombie"}


def told(*methods, **more):
    settings = {"methods": {name: {} for name in methods}, "domains": {"zombie": DOMAIN}}
    return judges(ComparisonConfig.parse(settings | more))


def users(texts, start):
    (text,) = [text for text in texts if text.startswith(start)]
    return text.partition("look through it: ")[2].rstrip(".").split(", ")


OWN = [name for name in METHODS.names() if config_of(name).__module__.startswith("itportrait.")]
"""Methods of the package; other tests register theirs."""


@pytest.mark.parametrize("name", OWN)
def test_every_method_declares_what_its_losses_look_through(name):
    kind = config_of(name)
    assert kind.looks_through, "a method without losses says so by an empty set of its own"
    assert kind.looks_through <= set(JUDGES)


def test_every_metric_but_costs_has_one_judge():
    named = [metric for metrics in JUDGES.values() for metric in metrics] + list(OF_FEATURES)
    assert sorted(named) == sorted(name for name, kind in METRICS.items() if kind != "cost")


def test_methods_that_were_trained_with_what_judges_them_are_named():
    texts = told("itportrait", "stylegan_nada", "jojogan", "styleclip", "dr3d")
    assert users(texts, "CLIP measures") == ["itportrait", "stylegan_nada", "styleclip"]
    assert users(texts, "The perceptual network") == ["itportrait", "jojogan", "dr3d"]
    assert users(texts, "The identity network") == ["itportrait", "styleclip"]
    assert users(texts, "The depth of renders") == ["itportrait", "dr3d"]
    assert texts[-1].endswith("the domain that the truth shows too: dr3d.")
    assert users(told("stylegan_nada"), "The identity network") == ["none"]


def test_kid_is_told_of_the_network_that_measures_it():
    own, other = told("jojogan"), told("jojogan", measures={"features": "inception"})
    assert "KID" in " ".join(text for text in own if text.startswith("The perceptual"))
    assert "KID" not in " ".join(text for text in other if text.startswith("The perceptual"))
    assert "An Inception network, which is in no loss, measures “KID”, " in " ".join(other)
