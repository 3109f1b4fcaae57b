"""The words that the mini CLIP learns from: prompts of domains, prompts of attributes."""

from itportrait.mini.attributes import ATTRIBUTES
from itportrait.perception.words import split_words
from itportrait.portraits.domains import get_domain

TEMPLATES = (
    "{}",
    "a {}",
    "a portrait of a {}",
    "a picture of a {}",
    "a {} of a person",
    "{} style",
)
"""For prompts such as `bronze statue`; `encode_prompt` averages over them."""
PERSON_WORDS = ("a person", "a man", "a woman", "someone", "a face", "a human", "people")
SUBJECT_TEMPLATES = ("{}", "a photo of {}", "a portrait of {}", "a picture of {}")
"""For prompts of attributes, on pictures of all domains."""


def domain_prompts(name: str) -> list[str]:
    """Return prompts for a domain, as users write them: its words in templates, its phrases."""
    domain = get_domain(name)
    prompts = [template.format(word) for word in domain.words for template in TEMPLATES]
    return prompts + [phrase.format("a person") for phrase in domain.phrases]


def vocabulary(captions: list[list[str]], domains: tuple[str, ...]) -> list[str]:
    """Return the words of captions and prompts, sorted."""
    texts = [text for row in captions for text in row]
    texts += [prompt for name in domains for prompt in domain_prompts(name)]
    texts += list(PERSON_WORDS) + attribute_prompts()
    return sorted({word for text in set(texts) for word in split_words(text)})


def attribute_prompts() -> list[str]:
    """Return every prompt of `ATTRIBUTES`."""
    return [
        template.format(subject)
        for attribute in ATTRIBUTES.values()
        for subject in attribute.has + attribute.lacks
        for template in SUBJECT_TEMPLATES
    ]
