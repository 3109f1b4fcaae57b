"""YAML with lines: the numbers point where an editor would."""

import pickle

import pytest
import yaml

from itportrait.yaml_lines import Problem, SpecError, load_yaml

TEXT = """\
# a comment
base: mini
shared: &shared
  steps: 3
domains:
  a:
    <<: *shared
    prompt: x
  b:
    list:
      - 1
      - {k: 2}
"""


def test_data_is_what_yaml_gives():
    assert load_yaml(TEXT).data == yaml.safe_load(TEXT)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("base",), 2),
        (("shared", "steps"), 4),
        (("domains", "a"), 6),
        (("domains", "a", "steps"), 4),
        (("domains", "a", "prompt"), 8),
        (("domains", "b", "list", 1), 12),
        (("domains", "b", "list", 1, "k"), 12),
        (("domains", "b", "absent"), 9),
        (("nothing",), 0),
    ],
)
def test_line_of_a_path(path, line):
    assert load_yaml(TEXT).line(path) == line


def test_key_that_stands_twice_is_a_problem_at_its_second_line():
    (problem,) = load_yaml("a: 1\nb:\n  c: 1\n  c: 2\n").duplicates
    assert problem == Problem(4, "b", "key 'c' stands here a second time")


def test_key_over_a_merged_one_is_no_duplicate():
    document = load_yaml("x: &x {a: 1}\ny:\n  <<: *x\n  a: 2\n")
    assert document.duplicates == ()
    assert document.line(("y", "a")) == 4


@pytest.mark.parametrize("text", ["a: [1\nb: 2", "a: 1\n b: 2", "a: *nowhere"])
def test_broken_yaml_names_its_line(text):
    with pytest.raises(SpecError, match=r"bank.yaml must be .* 1 error:\n  line \d+: not YAML"):
        load_yaml(text, source="bank.yaml")


def test_alias_inside_its_anchor_is_refused():
    with pytest.raises(SpecError, match="line 1"):
        load_yaml("a: &a [*a]")


def test_empty_document_is_an_empty_mapping():
    assert load_yaml("# nothing\n").data == {}


def test_error_sorts_its_problems_drops_doubles_and_survives_a_pickle():
    problems = [Problem(9, "b", "no"), Problem(2, "a", "no"), Problem(9, "b", "no")]
    error = pickle.loads(pickle.dumps(SpecError("bank.yaml", problems)))
    assert [problem.line for problem in error.problems] == [2, 9]
    assert str(error).endswith("2 errors:\n  line 2: a: no\n  line 9: b: no")
