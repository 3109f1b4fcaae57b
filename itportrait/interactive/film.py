"""A film of a portrait: saved as a file, or shown in a notebook."""

import base64
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from itportrait.errors import InvalidArgumentError
from itportrait.io import uris

_KINDS = (".mp4", ".webp")


@dataclass(frozen=True)
class Film:
    """Frames that are shown one after the other.

    Args:
        frames: `[T, H, W, 3]` uint8.
        fps: frames per second.
    """

    frames: np.ndarray = field(repr=False)
    fps: int | Fraction = 24

    def save(self, path: str | Path) -> None:
        """Write the film; the ending says how: `.mp4` for players, `.webp` for pages.

        Raises:
            InvalidArgumentError: another ending.
            OutputError: no space or no permission; names the path.
        """
        kind = Path(path).suffix.lower()
        if kind not in _KINDS:
            raise InvalidArgumentError(
                "path",
                expected=f"a name that ends in {' or '.join(_KINDS)}",
                actual=repr(str(path)),
            )
        uris.put_bytes(str(path), self._encoded(kind))

    def _encoded(self, kind: str) -> bytes:
        from itportrait.pages.video import encode_mp4, encode_webp

        encode = encode_mp4 if kind == ".mp4" else encode_webp
        return encode(self.frames, fps=self.fps)

    def _repr_html_(self) -> str:
        data = base64.b64encode(self._encoded(".mp4")).decode()
        return (
            '<video autoplay loop muted controls playsinline aria-label="turning portrait" '
            f'src="data:video/mp4;base64,{data}"></video>'
        )
