from typing import ClassVar

import pytest

from itportrait.config import Settings, apply_overrides, fingerprint
from itportrait.errors import InvalidArgumentError


class Inner(Settings):
    size: int = 3


class Outer(Settings):
    name: str = "a"
    inner: Inner = Inner()


def test_overrides_reach_nested_keys_and_keep_the_original():
    data = {"inner": {"size": 1}}
    result = apply_overrides(data, ["inner.size=7", "name=b"])
    assert result == {"inner": {"size": 7}, "name": "b"}
    assert data == {"inner": {"size": 1}}


@pytest.mark.parametrize("item", ["noequals", "=3"])
def test_malformed_override_says_the_form(item):
    with pytest.raises(InvalidArgumentError, match=r"key\.subkey=value"):
        apply_overrides({}, [item])


def test_override_through_a_scalar_is_refused():
    with pytest.raises(InvalidArgumentError, match="section at 'name'"):
        apply_overrides({"name": "b"}, ["name.x=1"])


def test_override_reaches_a_section_of_a_list_by_its_name():
    data = {"parts": [{"name": "a", "size": 1}, {"name": "b"}]}
    assert apply_overrides(data, ["parts.b.size=7"])["parts"][1] == {"name": "b", "size": 7}
    with pytest.raises(InvalidArgumentError, match=r"one of a, b below 'parts', got 'parts.c.size"):
        apply_overrides(data, ["parts.c.size=7"])
    with pytest.raises(InvalidArgumentError, match="section at 'b'"):
        apply_overrides({"b": [1]}, ["b.size=7"])


def test_the_key_that_was_meant_is_named():
    with pytest.raises(InvalidArgumentError, match="known: inner, name; perhaps 'inner' is meant"):
        Outer.parse({"iner": {}})


def test_a_plain_value_is_shown_and_what_may_hold_a_secret_is_not():
    with pytest.raises(
        InvalidArgumentError, match=r"inner.size: Input .* valid integer.*, got 2.5"
    ):
        Outer.parse({"inner": {"size": 2.5}})
    with pytest.raises(InvalidArgumentError, match=r"^((?!secret).)*$"):
        Outer.parse({"inner": {"size": "user:secret@host"}})


def test_unknown_key_lists_the_known_ones():
    with pytest.raises(InvalidArgumentError, match="unknown key 'sise'; known: size"):
        Outer.parse({"inner": {"sise": 1}})


def test_all_errors_come_at_once():
    with pytest.raises(InvalidArgumentError) as caught:
        Outer.parse({"name": 3, "inner": {"size": "many"}}, source="demo.yaml")
    assert "name: " in str(caught.value)
    assert "inner.size: " in str(caught.value)
    assert str(caught.value).startswith("demo.yaml must be a valid outer, got name: ")


def test_load_reads_yaml_and_overrides(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("name: x\ninner: {size: 2}\n")
    assert Outer.load(path, ["inner.size=9"]) == Outer(name="x", inner=Inner(size=9))
    path.write_text("- 1\n")
    with pytest.raises(InvalidArgumentError, match="a YAML mapping"):
        Outer.load(path)


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Outer().name = "b"  # type: ignore[misc]


def test_fingerprint_depends_on_values_and_not_on_key_order():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(Outer()) == fingerprint(Outer(name="a"))
    assert fingerprint(Outer()) != fingerprint(Outer(name="b"))
    assert fingerprint(b"x") != fingerprint(b"y")
    with pytest.raises(TypeError, match="set"):
        fingerprint({1, 2})


class Renamed(Settings):
    former_names: ClassVar[dict[str, str]] = {"licence": "license"}
    license: str = ""


def test_a_key_of_an_earlier_release_is_read_under_its_new_name():
    assert Renamed.parse({"licence": "MIT"}) == Renamed(license="MIT")


def test_a_key_under_both_of_its_names_is_refused():
    with pytest.raises(InvalidArgumentError, match="licence is the former name of license"):
        Renamed.parse({"licence": "MIT", "license": "BSD"})
