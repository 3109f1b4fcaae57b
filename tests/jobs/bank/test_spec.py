"""Bank specifications: inheritance, and every error at once with the line where it stands."""

from pathlib import Path

import pytest

from itportrait.errors import InvalidArgumentError
from itportrait.jobs.bank.spec import load_bank_spec, merge, parse_bank_spec
from itportrait.yaml_lines import SpecError

ROOT = Path(__file__).parents[3]

GOOD = """\
base: mini
defaults:
  source_prompt: a photo of a person
  steps: 30
  options: {ite: {batch: 1}}
domains:
  zombie:
    mode: text
    prompt: a zombie
    options: {ite.learning_rate: 0.001}
  bronze:
    mode: image_text
    prompt: a bronze statue
    references: [refs/bronze.png, s3://styles/b.png, /abs/c.png]
    steps: 50
    truth: mini:bronze
"""

BAD = """\
base: mini
defautls: {}
defaults:
  steps: 0
  tint: red
domains:
  zombie:
    {mode: text, steps: 5}
  bronze:
    mode: image
    refs: [a.png]
  9 lives:
    mode: words
    prompt: a cat
    steps: 5
  clay:
    mode: text
    prompt: clay
    steps: 5
    method: magic
    train: everything
    source_prompt: mud
    prompt: a clay sculpture
  empty:
  tin: {mode: text, prompt: tin, steps: 5, options: {ite: {batches: 2}}}
gate:
  tolerances: {beauty: 1}
probe:
  count: 1
"""


def problems_of(text: str, **kwargs) -> list[tuple[int, str]]:
    with pytest.raises(SpecError) as caught:
        parse_bank_spec(text, source="bank.yaml", **kwargs)
    return [(problem.line, str(problem)) for problem in caught.value.problems]


def test_defaults_are_inherited_and_mappings_merged():
    spec = parse_bank_spec(GOOD, folder="/here")
    zombie, bronze = spec.domains["zombie"], spec.domains["bronze"]
    assert (zombie.name, zombie.steps, bronze.steps) == ("zombie", 30, 50)
    assert bronze.source_prompt == "a photo of a person"
    assert zombie.options == {"ite": {"batch": 1}, "ite.learning_rate": 0.001}


def test_relative_references_are_taken_from_the_files_folder():
    spec = parse_bank_spec(GOOD, folder="/here")
    assert spec.domains["bronze"].references == (
        "/here/refs/bronze.png",
        "s3://styles/b.png",
        "/abs/c.png",
    )


def test_truth_is_not_part_of_what_the_adaptation_sees():
    domain = parse_bank_spec(GOOD).domains["bronze"]
    assert domain.truth == "mini:bronze"
    assert "truth" not in domain.spec().model_dump()


def test_overrides_reach_defaults_domains_and_settings():
    overrides = ["defaults.steps=7", "domains.bronze.prompt=a bust", "probe.count=4"]
    spec = parse_bank_spec(GOOD, overrides)
    assert spec.domains["zombie"].steps == 7
    assert spec.domains["bronze"].steps == 50
    assert spec.domains["bronze"].prompt == "a bust"
    assert spec.probe.count == 4


EXPECTED = [
    (2, "unknown key 'defautls'; known: adapt, align, base"),
    (4, "defaults: Input should be greater than or equal to 1"),
    (5, "unknown key 'tint'; known:"),
    (7, "domain 'zombie': prompt: mode 'text'"),
    (11, "domain 'bronze': unknown key 'refs'"),
    (12, "domain '9 lives', name"),
    (13, "domain '9 lives', mode"),
    (20, "unknown adaptation method 'magic'; known:"),
    (21, "unknown layer preset 'everything'; known:"),
    (25, "options: ite: unknown key 'batches'"),
    (23, "key 'prompt' stands here a second time"),
    (24, "domain 'empty': expected a mapping"),
    (27, "unknown metric 'beauty'"),
    (29, "probe.count"),
]


def test_an_item_of_set_that_is_wrong_is_named_without_a_line_of_the_file():
    with pytest.raises(SpecError, match=r"^--set domains.bronze.steps=0 must be a valid") as caught:
        parse_bank_spec(GOOD, ["domains.bronze.steps=0", "defaults.seed=3"], source="bank.yaml")
    assert [problem.line for problem in caught.value.problems] == [0]


def test_every_error_is_named_with_its_line():
    found = problems_of(BAD)
    for line, words in EXPECTED:
        assert any(number == line and words in text for number, text in found), (line, words, found)


def test_a_drawn_truth_that_is_not_known_is_refused_before_anything_is_trained():
    ((line, text),) = problems_of(GOOD.replace("mini:bronze", "mini:bronce"))
    assert GOOD.splitlines()[line - 1].strip() == "truth: mini:bronze"
    assert "unknown portrait domain 'bronce'; known: " in text


def test_error_of_the_defaults_is_told_once_and_not_in_every_domain():
    text = GOOD.replace("steps: 30", "steps: many").replace("    steps: 50\n", "")
    assert [line for line, _ in problems_of(text)] == [4]


def test_name_in_the_body_is_refused():
    text = GOOD.replace("    mode: text", "    name: other\n    mode: text")
    assert problems_of(text)[0][0] == 8


@pytest.mark.parametrize("text", ["", "base: mini\n", "base: mini\ndomains: {}\n"])
def test_bank_without_domains_is_refused(text):
    assert "at least one domain" in problems_of(text)[0][1]


def test_text_that_is_no_mapping_is_refused():
    assert "expected a YAML mapping" in problems_of("- a\n")[0][1]


def test_missing_file_is_named(tmp_path):
    for path, why in (
        ("absent.yaml", r"absent\.yaml \(there is no such file\)"),
        ("", "it is a folder"),
    ):
        with pytest.raises(InvalidArgumentError, match=rf"--config.*{why}"):
            load_bank_spec(tmp_path / path)


def test_merge_replaces_lists_and_merges_mappings_at_every_depth():
    under = {"a": [1, 2], "b": {"c": {"d": 1, "e": 2}}, "f": 0}
    over = {"a": [3], "b": {"c": {"d": 9}}}
    assert merge(under, over) == {"a": [3], "b": {"c": {"d": 9, "e": 2}}, "f": 0}
    assert under["b"]["c"]["d"] == 1


def test_shipped_bank_is_valid_and_has_two_domains_of_each_mode():
    spec = load_bank_spec(ROOT / "configs" / "bank.yaml")
    modes = sorted(domain.mode for domain in spec.domains.values())
    assert modes == ["image", "image", "image_text", "image_text", "text", "text"]
    for domain in spec.domains.values():
        assert all(Path(uri).exists() for uri in domain.references)
        assert domain.truth == f"mini:{domain.name}"


def test_a_folder_of_true_pictures_must_outlast_the_build_too():
    text = "domains: {zombie: {mode: text, prompt: a zombie, truth: /photos}}"
    assert parse_bank_spec(text).places()["truth of domain 'zombie'"] == "/photos"


def test_defaults_that_are_no_mapping_are_refused_at_their_line():
    head, _, rest = GOOD.partition("defaults:\n")
    text = f"{head}defaults: license-2.0\n{rest[rest.index('domains:') :]}"
    ((line, words),) = problems_of(text)
    assert text.splitlines()[line - 1].startswith("defaults:")
    assert words.endswith(": defaults: expected a mapping")
