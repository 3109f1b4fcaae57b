"""From words to a shift of style space, by the relevances of its channels."""

from collections.abc import Sequence

from torch import Tensor

from itportrait.editing.styleclip.config import DirectionTerms
from itportrait.editing.styleclip.relevances import Relevances
from itportrait.errors import InvalidArgumentError
from itportrait.losses import unit


def word_relevances(
    relevances: Relevances,
    changes: Sequence[Tensor],
    weights: Sequence[float],
    *,
    agreement: bool = False,
) -> Tensor:
    """Return how far raising each channel takes pictures towards words, `[channels]` in [-1, 1].

    Args:
        relevances: of the bundle.
        changes: the way of the words in each image-text model's features, `[D]`.
        weights: of the models.
        agreement: whether a channel counts the less, the less portraits agree about it.
    """
    directions = [rows if agreement else unit(rows) for rows in relevances.directions]
    parts = zip(weights, directions, changes, strict=True)
    total = sum(weight * (rows @ unit(change).to(rows)) for weight, rows, change in parts)
    assert isinstance(total, Tensor)  # a bundle has at least one model
    return total / sum(weights)


def shift_towards(
    relevances: Relevances, words: Tensor, terms: DirectionTerms
) -> dict[str, Tensor]:
    """Return the shift of style space at strength 1: name of a map's bias -> what is added.

    Args:
        relevances: of the bundle.
        words: relevance of each channel for the words, of `word_relevances`.
        terms: the edit's length, and which channels take part.

    Raises:
        InvalidArgumentError: no channel is as relevant as `terms.beta`.
    """
    largest = float(words.abs().max())
    if largest < terms.beta:
        raise InvalidArgumentError(
            "directions.beta",
            expected=f"at most {largest:.3g}, the largest relevance of a channel for these words",
            actual=terms.beta,
            remedy="lower it, or choose other words",
        )
    kept = words.masked_fill(words.abs() < terms.beta, 0) / largest
    shift = terms.alpha * kept * relevances.std.to(kept)
    return {
        layer.bias: shift[layer.channels.start : layer.channels.stop].clone()
        for layer in relevances.layers
    }
