"""JSON of others: what is refused, in one sentence, and what comes through."""

from dataclasses import dataclass

import pytest

from itportrait import documents
from itportrait.adapt.domain import DomainSpec
from itportrait.bank.index import check_index
from itportrait.config import Settings
from itportrait.documents import build, parse_json, parse_object
from itportrait.errors import InvalidArgumentError, valid
from itportrait.jobs.stylize.config import JobConfig


def test_plain_documents_come_through():
    text = '{"a": [1, 2.5, true, null, "é"], "b": {"c": -18446744073709551616}, "n": NaN}'
    found = parse_object(text.encode(), "x")
    assert found["a"] == [1, 2.5, True, None, "é"]
    assert found["n"] != found["n"]
    assert parse_json(b"[" * 60 + b"]" * 60, "x")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[" * 1_000_000, "brackets without end"),
        (b'{"a":' * 1_000_000, "brackets without end"),
        (b"[" * 65 + b"]" * 65, "brackets more than 64 deep"),
        (b'{"a": 1, "b": 2, "a": 3}', "the key 'a' twice"),
        (b'{"a": {"b": 1, "b": 1}}', "the key 'b' twice"),
        (b"1" * 4000, "a number of 4000 digits"),
        (b"1" * 5000, "digits"),
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff\xfe\xfd", "codec can't decode"),
        (b'"\x00"', "Invalid control character"),
    ],
)
def test_others_are_refused_in_one_sentence(data, said):
    with pytest.raises(InvalidArgumentError, match=r"x\.json must be a whole JSON") as caught:
        parse_json(data, "x.json")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_settings_are_finite(number):
    assert parse_json(number, "x") is not None
    with pytest.raises(InvalidArgumentError, match=r"the number (nan|-?inf)"):
        parse_json(f"[{number}]", "x", finite=True)


def test_long_documents_are_refused_before_they_are_parsed(monkeypatch):
    monkeypatch.setattr(documents, "MOST_BYTES", 1 << 20)
    with pytest.raises(InvalidArgumentError, match="more than 1 MiB"):
        parse_json(b" " * ((1 << 20) + 1), "x")


def test_a_document_that_is_no_object_is_named():
    with pytest.raises(InvalidArgumentError, match="x must be a JSON object, got a list"):
        parse_object("[]", "x")


@dataclass(frozen=True)
class Part:
    """A field of `Whole`."""

    size: int


@dataclass(frozen=True)
class Whole:
    """What a document is built into."""

    name: str
    parts: dict[str, Part]
    note: str = ""


def test_build_checks_every_type_and_leaves_newer_keys_out():
    data = {"name": "x", "parts": {"a": {"size": 1, "newer": 2}}, "newest": 3}
    assert build(Whole, data, "x") == Whole("x", {"a": Part(1)})
    for bad, said in (
        ({"name": 1, "parts": {}}, "name: Input should be a valid string"),
        ({"name": "x"}, "parts: Field required"),
        ({"name": "x", "parts": {"a": {"size": "many"}}}, "parts.a.size"),
    ):
        with pytest.raises(InvalidArgumentError, match="must be a valid whole, got") as caught:
            build(Whole, bad, "y")
        assert said in str(caught.value)
    with pytest.raises(InvalidArgumentError, match="a JSON object, got a list"):
        build(Whole, [], "y")


def test_messages_have_no_names_of_classes():
    with pytest.raises(InvalidArgumentError, match=r"^bank must be a valid index, got gen"):
        check_index({}, "bank")
    for kind, said in (
        (JobConfig, "valid job settings"),
        (DomainSpec, "a valid domain specification"),
        (Settings, "valid settings"),
    ):
        assert valid(kind) == said
