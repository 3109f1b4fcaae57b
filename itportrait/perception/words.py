"""The words of prompts: how they are split, and which of them a model has never seen."""

import re
from collections.abc import Collection

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def split_words(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation and numbers."""
    return _WORD.findall(text.lower())


def unknown_words(text: str, vocabulary: Collection[str]) -> list[str]:
    """Return the words of a prompt that a vocabulary lacks, in order, each once.

    A prompt of signs and numbers alone is unknown as a whole.
    """
    words = split_words(text) or [text.strip()]
    return [word for word in dict.fromkeys(words) if word not in vocabulary]
