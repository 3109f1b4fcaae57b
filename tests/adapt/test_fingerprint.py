"""What a domain is known by: what its method reads in its mode, and nothing else."""

import json
from pathlib import Path

import numpy as np
import pytest

from itportrait.adapt import (
    AdaptConfig,
    DomainSpec,
    adapt_domain,
    adapt_fingerprint,
    former_fingerprint,
    version,
)
from itportrait.adapt.methods.itportrait.config import ItportraitConfig
from itportrait.adapt.settings import MethodConfig
from itportrait.config import fingerprint, merge

RELEASE = Path(__file__).parents[1] / "data" / "first_release" / "fingerprints.json"
"""Digests that the first release gave: specification, settings, model and references of each."""

WORDS = {"name": "a", "mode": "text", "prompt": "a statue"}
PICTURE = {"name": "a", "mode": "image", "references": ["a.png"]}
BOTH = {**PICTURE, "mode": "image_text", "prompt": "a statue"}

UNREAD = [
    (WORDS, {"apt": {"batch": 3}}),
    (WORDS, {"pair": {"steps": 7}}),
    (WORDS, {"threshold": {"kind": "soft"}}),
    (WORDS, {"ite": {"follow": 0.5, "pair_weight": 0.5, "pinned_rows": 2}}),
    (PICTURE, {"threshold": {"value": 0.3}}),
    (PICTURE, {"ite": {"batch": 5, "identity": 1.0}}),
    (PICTURE, {"ite": {"learning_rate": 0.5}}),
    (PICTURE, {"lead": 0.5}),
    (WORDS, {"lead": 0.5}),
]
READ = [
    (WORDS, {"ite": {"batch": 5}}),
    (WORDS, {"truncation_psi": 0.5}),
    (WORDS, {"probe": {"count": 5}}),
    (WORDS, {"precision": "fast"}),
    (PICTURE, {"apt": {"batch": 3}}),
    (PICTURE, {"pair": {"steps": 7}}),
    (BOTH, {"apt": {"batch": 3}}),
    (BOTH, {"pair": {"steps": 7}}),
    (BOTH, {"threshold": {"value": 0.3}}),
    (BOTH, {"ite": {"pinned_rows": 2}}),
    (BOTH, {"lead": 0.5}),
]


def digest(spec: dict, settings: dict | None = None, *, of=adapt_fingerprint) -> str:
    return of(DomainSpec.parse(spec), AdaptConfig.parse(settings or {}), "model", [b"picture"])


@pytest.mark.parametrize(("spec", "settings"), UNREAD)
def test_settings_that_a_mode_does_not_read_change_nothing(spec, settings):
    assert digest(spec, settings) == digest(spec)
    assert digest({**spec, "options": settings}) == digest(spec)


@pytest.mark.parametrize(("spec", "settings"), READ)
def test_settings_that_a_mode_reads_change_the_fingerprint(spec, settings):
    assert digest(spec, settings) != digest(spec)
    assert digest({**spec, "options": settings}) == digest(spec, settings)


def test_a_picture_that_spreads_along_directions_reads_stage_two_but_not_its_optimizer():
    spread = {"apt": {"direction": 1.0}}
    assert digest(PICTURE, {**spread, "ite": {"batch": 5}}) != digest(PICTURE, spread)
    assert digest(PICTURE, {**spread, "ite": {"learning_rate": 0.5}}) == digest(PICTURE, spread)
    assert digest(PICTURE, {**spread, "ite": {"follow": 0.5}}) == digest(PICTURE, spread)


@pytest.mark.parametrize(
    ("mode", "settings"),
    [
        ("text", [settings for spec, settings in UNREAD if spec is WORDS]),
        ("image", [settings for spec, settings in UNREAD if spec is PICTURE]),
        (
            "spread",
            [{"ite": {"learning_rate": 0.5, "follow": 0.5, "pair_weight": 0.9, "pinned_rows": 2}}],
        ),
    ],
)
def test_what_is_called_unread_changes_no_result(
    bundle, config, make_spec, reference, mode, settings
):
    data = config.model_dump(mode="json")
    if mode == "spread":
        data["apt"]["direction"] = 1.0
    spec = make_spec("text" if mode == "text" else "image", steps=2)
    references = [] if mode == "text" else [reference]
    changed = data
    for change in settings:
        changed = merge(changed, change)
    results = [
        adapt_domain(bundle, spec, AdaptConfig.parse(values), references=references)
        for values in (data, changed)
    ]
    assert data != changed
    first, second = (result.style.delta for result in results)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert results[0].style.info["fingerprint"] == results[1].style.info["fingerprint"]


def test_a_change_of_the_stages_code_changes_every_fingerprint(monkeypatch):
    before = [digest(spec) for spec in (WORDS, PICTURE, BOTH)]
    monkeypatch.setattr(version, "VERSION", version.VERSION + 1)
    assert not {digest(spec) for spec in (WORDS, PICTURE, BOTH)} & set(before)


def test_a_method_that_does_not_say_what_it_reads_is_made_again_whatever_changes(monkeypatch):
    monkeypatch.setattr(ItportraitConfig, "unread", MethodConfig.unread)  # as one that inherits it
    assert digest(WORDS, {"apt": {"batch": 3}}) != digest(WORDS)


def test_fingerprints_of_the_first_release_are_those_of_today():
    for case in json.loads(RELEASE.read_text()):
        spec, config = DomainSpec.parse(case["spec"]), AdaptConfig.parse(case["adapt"])
        references = [bytes.fromhex(content) for content in case["references"]]
        arguments = (spec, config, case["model_id"], references)
        align = case["align"]
        known = {of(*arguments, align=align) for of in (adapt_fingerprint, former_fingerprint)}
        assert case["fingerprint"] in known, case["name"]
        if case["unread_as_in_preset"]:
            assert adapt_fingerprint(*arguments, align=align) == case["fingerprint"], case["name"]


def test_a_set_of_rows_keeps_its_digest_under_its_new_name():
    old, new = ({"apt": {"rows": name}} for name in ("preserve_colour", "preserve_color"))
    assert AdaptConfig.parse(old) == AdaptConfig.parse(new)
    settings = AdaptConfig.parse(new).model_dump(mode="json", exclude={"methods"})
    settings["apt"]["rows"] = "preserve_colour"
    del settings["lead"], settings["precision"]  # which the first release did not know
    plain = DomainSpec.parse(PICTURE).model_dump(
        mode="json", exclude={"tags", "license", "references", "options"}
    )
    wanted = fingerprint(plain, settings, None, "model", [b"picture"], 1)
    assert digest(PICTURE, new) == digest(PICTURE, old) == wanted
