"""Aligned photos as pictures of a stylization are compared with them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.image import resize, to_tensor
from itportrait.records import AlignedRecord


def masked_photos(records: Sequence[AlignedRecord], renders: Tensor) -> Tensor:
    """Return aligned photos `[N, 3, S, S]`; what their masks hide is taken from renders.

    Args:
        records: with pixels.
        renders: `[N, 3, S, S]` of the same portraits in [-1, 1].

    Raises:
        InvalidArgumentError: a record has no pixels.
    """
    pairs = zip(records, renders, strict=True)
    return torch.stack([_masked_photo(record, render) for record, render in pairs])


def _masked_photo(record: AlignedRecord, render: Tensor) -> Tensor:
    if record.pixels is None:
        raise InvalidArgumentError(
            "aligned", expected="records with pixels", actual=f"none in {record.record_id}"
        )
    size = render.shape[-1]
    photo = resize(to_tensor(record.pixels)[None].to(render), size)[0]
    if record.mask is None:
        return photo
    mask = resize(torch.tensor(record.mask)[None, None].to(photo) / 255, size)[0]
    return render.lerp(photo, mask.clamp(0, 1).expand_as(photo))
