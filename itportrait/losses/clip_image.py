"""Similarity of pictures in an image-text model."""

from torch import Tensor

from itportrait.errors import InvalidArgumentError


def image_similarity(features: Tensor, references: Tensor) -> Tensor:
    """Return the mean cosine of each picture to the references.

    Args:
        features: unit `[N, D]`.
        references: unit `[R, D]`, R >= 1.

    Returns:
        `[N]` in [-1, 1].

    Raises:
        InvalidArgumentError: no reference.
    """
    if len(references) == 0:
        raise InvalidArgumentError(
            "references",
            expected="at least one picture",
            actual="none",
            remedy="pass [R, D] features",
        )
    return (features @ references.T).mean(-1)
