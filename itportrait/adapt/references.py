"""Reference pictures of a domain: an aligned style image, and its camera where it is known."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from itportrait.adapt.domain import DomainSpec
from itportrait.errors import InvalidArgumentError, NoInputError
from itportrait.image import to_tensor
from itportrait.io.uris import read_bytes, redact, why_unread
from itportrait.photos.decoding import decode_photo
from itportrait.picture_sets import PictureSet, open_pictures

_ANY_SIZE = 128


@dataclass(frozen=True)
class Reference:
    """An aligned style image.

    Args:
        pixels: uint8 `[S, S, 3]`, cropped as the generator's portraits are.
        camera: `[25]`, or None: then it is estimated.
        uri: where it came from.
    """

    pixels: np.ndarray = field(repr=False)
    camera: np.ndarray | None = None
    uri: str = ""

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if self.pixels.dtype != np.uint8 or len(shape) != 3 or shape[0] != shape[1]:
            raise InvalidArgumentError(
                "reference",
                expected="square uint8 pixels [S, S, 3]",
                actual=f"{self.pixels.dtype} {list(shape)}",
                remedy="align the style image first (itportrait align)",
            )

    def image(self, device: torch.device | str) -> Tensor:
        """Return `[1, 3, S, S]` in [-1, 1]."""
        return to_tensor(self.pixels).unsqueeze(0).to(device)

    def camera_vector(self, device: torch.device | str) -> Tensor | None:
        """Return `[1, 25]`, or None."""
        if self.camera is None:
            return None
        return torch.as_tensor(self.camera, dtype=torch.float32, device=device).reshape(1, 25)

    @property
    def sha256(self) -> str:
        """Digest of the pixels: part of a domain's fingerprint."""
        return hashlib.sha256(np.ascontiguousarray(self.pixels).tobytes()).hexdigest()


def load_references(uris: Sequence[str]) -> list[Reference]:
    """Read aligned style images; their cameras are estimated later.

    Args:
        uris: paths or fsspec URIs of square pictures.

    Raises:
        NoInputError: one cannot be read; names it.
        DecodeError: one is not a picture.
        InvalidArgumentError: one is not square, so not aligned.
    """
    references: list[Reference] = []
    for uri in uris:
        try:
            data = read_bytes(uri)
        except (OSError, ValueError, ImportError) as error:
            raise NoInputError(
                f"reference image {redact(uri)} cannot be read: {why_unread(error)}"
            ) from error
        references.append(Reference(decode_photo(data), None, uri))
    return references


def open_set(spec: DomainSpec, size: int = _ANY_SIZE) -> PictureSet | None:
    """Open the set of pictures that guides a domain; None where none does.

    Args:
        spec: the domain.
        size: side in pixels to which pictures are brought; of no effect on the digest.

    Raises:
        NoInputError: there is no such table, or it holds no aligned picture; names the domain.
    """
    if spec.pictures is None:
        return None
    try:
        return open_pictures(spec.pictures, size, drawn=spec.pictures_count)
    except NoInputError as error:
        raise NoInputError(f"domain {spec.name!r}: {error}") from error


def judging_references(
    references: Sequence[Reference], pictures: PictureSet | None
) -> list[Reference]:
    """Return the pictures that styles are scored against: references, else a sample of the set."""
    if references or pictures is None:
        return list(references)
    return [Reference(pixels) for pixels in pictures.sample()]
