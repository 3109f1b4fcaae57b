"""YAML with lines: the numbers point where an editor would."""

import pickle
import time

import pytest
import yaml

from itportrait.yaml_lines import Problem, SpecError, load_yaml, read_yaml

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


BOMBS = {
    "aliases of aliases": "a0: &a0 [1, 1]\n"
    + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 30)),
    "merges of merges": "a0: &a0 {x: 1, y: 2}\n"
    + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 30)),
    "brackets": "[" * 100_000,
    "dashes": "- " * 100_000,
    "braces": "{a: " * 10_000,
    "80 levels": "[" * 80 + "]" * 80,
    "a number of base 60": "a: 1" + ":59" * 100_000,
    "a number of many digits": "a: " + "1" * 100_000,
    "a binary number": "a: 0b" + "1" * 100_000,
    "an infinity": "a: 1.0e+999",
    "a tag of Python": "a: !!python/object/apply:os.system ['true']",
    "bytes": "a: !!binary aGVsbG8=",
    "a set": "a: !!set {b}",
    "pairs": "a: !!omap [b: 1]",
    "a key that is a list": "? [a, b]\n: 1",
    "a value without kind": "=",
    "a date that is none": "a: 2001-99-99",
    "an integer that is none": "a: !!int ''",
    "a boolean that is none": "a: !!bool perhaps",
    "a control character": "a: \x01",
    "an anchor inside itself": "&a [*a]",
    "a character that is none": '"\\U00110000"',
    "a version without end": "%YAML 1." + "1" * 10_000 + "\n--- a",
    "two megabytes": "#" * (2 << 20),
    "two documents": "a: 1\n---\nb: 2",
    "a key that stands twice": "a: 1\na: 2",
    "not a number": "a: .nan",
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_runs_away_is_refused_at_once_and_in_one_sentence(name):
    start = time.monotonic()
    with pytest.raises(SpecError) as caught:
        read_yaml(BOMBS[name], source="job.yaml")
    assert time.monotonic() - start < 20
    assert str(caught.value).startswith("job.yaml must be a valid specification, got 1 error")
    assert len(str(caught.value)) < 500


def test_aliases_within_bounds_and_odd_values_are_read():
    text = "a: &a {x: 1}\nb: [*a, *a]\nc: {<<: *a, y: 2}\nd: 2026-01-02\n3: 4\ne: 1_000\nf: ~\n"
    expected = {
        "a": {"x": 1},
        "b": [{"x": 1}, {"x": 1}],
        "c": {"x": 1, "y": 2},
        "d": "2026-01-02",
        "3": 4,
        "e": 1000,
        "f": None,
    }
    assert read_yaml(text) == expected
    assert read_yaml("") is None
    assert read_yaml(b"1.5") == 1.5
