"""The words that an image-text model in training knows: tokens and vocabulary."""

from collections.abc import Iterable

import open_clip
import torch
from torch import Tensor

from itportrait.perception.clip import MINI_NAME
from itportrait.pretrain.networks.prompts import PERSON_WORDS, attribute_prompts, domain_prompts
from itportrait.pretrain.networks.prompts import vocabulary as words_of


class KnownWords:
    """The texts of a training as tokens that are numbered anew, without those that no text holds.

    Three quarters of the parameters of a small model are embeddings of tokens that no caption has.

    Args:
        captions: captions of each portrait.
        domains: names of the domains that prompts are made for.
    """

    def __init__(self, captions: list[list[str]], domains: tuple[str, ...]) -> None:
        self.vocabulary = words_of(captions, domains)
        texts = {text for row in captions for text in row} | set(attribute_prompts())
        texts |= {prompt for name in domains for prompt in domain_prompts(name)}
        texts |= set(self.vocabulary) | set(PERSON_WORDS)
        self._tokenizer = open_clip.get_tokenizer(MINI_NAME)
        self._rows: dict[str, Tensor] = {}
        # Sorted: the end of a text stays its largest number, by which open_clip finds it.
        self.used = self._tokenize(sorted(texts)).unique()
        """The tokenizer's numbers of the tokens that some text holds, ascending."""

    def tokens(self, texts: list[str]) -> Tensor:
        """Return texts `[n, context_length]` as places in `used`; each text is tokenized once."""
        return torch.searchsorted(self.used, self._tokenize(texts))

    def _tokenize(self, texts: Iterable[str]) -> Tensor:
        texts = list(texts)
        new = [text for text in dict.fromkeys(texts) if text not in self._rows]
        if new:
            self._rows |= dict(zip(new, self._tokenizer(new), strict=True))
        return torch.stack([self._rows[text] for text in texts])
