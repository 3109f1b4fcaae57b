"""The configuration of a comparison: what is inherited, and what is refused."""

from pathlib import Path

import pytest

from itportrait.comparison.config import load_comparison, parse_comparison
from itportrait.configuration.yaml_files import read_mapping
from itportrait.errors import InvalidArgumentError

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = {
    "methods": {"itportrait": {}},
    "domains": {"zombie": {"prompt": "a zombie"}},
    "output": "out",
}


@pytest.mark.parametrize("name", ["compare.yaml", "experiments.yaml"])
def test_shipped_configurations_are_valid_and_their_references_are_there(name, tmp_path):
    config = load_comparison(str(CONFIGS / name), output=str(tmp_path))
    assert config.compared_with in config.methods
    for domain in config.domains.values():
        assert domain.prompt
        assert domain.truth
        assert all(Path(uri).exists() for uri in domain.references)
        assert domain.references


def test_domains_inherit_defaults_and_labels_name_methods():
    config = parse_comparison(SMALL | {"defaults": {"steps": 7, "source_prompt": "a photo"}})
    assert config.domains["zombie"].steps == 7
    assert config.domains["zombie"].source_prompt == "a photo"
    assert config.methods["itportrait"].method == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"methods": {"jojogan": {"mode": "text"}}}, "methods.jojogan.mode: expected image"),
        ({"methods": {"itportrate": {}}}, "itportrait"),
        ({"methods": {"a/b": {"method": "itportrait"}}}, "letters, digits"),
        ({"methods": {"itportrait": {"domains": ["zombi"]}}}, "zombie"),
        (
            {"domains": {"zombie": {"prompt": "x", "mode": "text"}}},
            "mode stands elsewhere: .*itportrait: {mode: te",
        ),
        ({"domains": [{"name": "zombie", "prompt": "x"}]}, "a mapping by name, as\n  domains:"),
        ({"domains": {"zombie": {}}}, "a prompt, references, or pictures"),
        ({"domains": {"zombie": {"prompt": "x", "truth": "mini:zombi"}}}, "zombie"),
        ({"defaults": {"step": 3}}, "steps"),
        ({"defaults": [1]}, "a mapping"),
        ({"seeds": [1, 1]}, "different numbers"),
        ({"portraits": "mini:one"}, "mini:COUNT"),
        ({"measure": {}}, "measures"),
        ({"reference": "itportrat"}, "unknown label 'itportrat'.*itportrait"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(change, words):
    with pytest.raises(InvalidArgumentError, match=words):
        parse_comparison(SMALL | change)


def test_output_is_needed_and_overrides_count(tmp_path):
    path = tmp_path / "compare.yaml"
    text = (CONFIGS / "compare.yaml").read_text()
    path.write_text(text)
    with pytest.raises(InvalidArgumentError, match="--output"):
        load_comparison(str(path))
    config = load_comparison(str(path), ["seeds=[1, 2]", "output='{runs}/x'"])
    assert config.seeds == (1, 2)
    assert read_mapping(str(path))["base"] == "mini"
    assert config.domains["pencil"].references == (str(tmp_path / "references/pencil.png"),)


def test_differences_are_taken_from_itportrait_where_there_is_one():
    assert parse_comparison(SMALL).compared_with == "itportrait"
    config = parse_comparison(SMALL | {"methods": {"jojogan": {}}})
    assert config.compared_with not in config.methods
    chosen = parse_comparison(SMALL | {"methods": {"jojogan": {}}, "reference": "jojogan"})
    assert chosen.compared_with == "jojogan"
    assert parse_comparison(config.model_dump()) == config


def test_a_folder_of_true_pictures_must_outlast_the_job_too():
    domains = {"zombie": {"prompt": "x", "truth": "/photos"}, "clay": {"prompt": "x"}}
    domains["bronze"] = {"prompt": "x", "truth": "mini:bronze"}
    places = parse_comparison(SMALL | {"domains": domains}).places()
    assert {name: uri for name, uri in places.items() if "truth" in name} == {
        "truth of domain 'zombie'": "/photos"
    }
