"""Words of prompts: split alike in all languages, and held against a vocabulary."""

import pytest

from itportrait.perception.words import split_words, unknown_words

VOCABULARY = {"a", "bronze", "statue", "of", "person"}


def test_words_are_lower_case_without_signs_and_numbers():
    assert split_words("A 3D-Portrait, isn't it?") == ["a", "d", "portrait", "isn't", "it"]
    assert split_words("Müde Ölgöttin, статуя_2") == ["müde", "ölgöttin", "статуя"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A bronze statue", []),
        ("a steampunk person, steampunk!", ["steampunk"]),
        ("бронзовая статуя", ["бронзовая", "статуя"]),
        ("銅像", ["銅像"]),
        (" 42 ", ["42"]),
    ],
)
def test_what_a_vocabulary_lacks_is_named_once(text, expected):
    assert unknown_words(text, VOCABULARY) == expected
