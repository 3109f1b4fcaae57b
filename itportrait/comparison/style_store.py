"""The styles of a comparison: what adaptations left, by fingerprint, marked when whole."""

import hashlib
import io
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow.parquet as pq

from itportrait.documents import build
from itportrait.errors import CheckpointError, InvalidArgumentError
from itportrait.io import uris
from itportrait.io.names import resolve_under
from itportrait.styles.names import STYLE_FILE
from itportrait.training.trained_domain import TrainedDomain

FOLDER, MARKER = "styles", "style.json"


@dataclass(frozen=True)
class StoredStyle:
    """A finished adaptation; the content of its marker."""

    name: str
    """Name of the domain, and fingerprint of all that determined the style."""
    sha256: str
    """Digest of the style's file."""
    size: int
    """Bytes of the style's file."""
    seconds: float
    """Seconds of the adaptation, without the starts of processes."""
    step: int
    """Step that was kept."""
    metrics: dict[str, int | float] = field(hash=False)
    """Scores of the kept step."""


class StyleStore:
    """Keeps styles below the output of a comparison, `OUT/styles/DOMAIN-FINGERPRINT`.

    Several cells share a style where they ask for the same adaptation.
    """

    def __init__(self, output: str) -> None:
        self.root = uris.join(output, FOLDER)

    def find(self, name: str) -> StoredStyle | None:
        """Return a finished adaptation, or None where there is none that can be read."""
        marker = uris.join(self.root, name, MARKER)
        data = uris.read_json(marker)
        if data is None:
            return None
        try:
            found = build(StoredStyle, data, uris.redact(marker))
        except InvalidArgumentError:
            return None
        return found if self._stands(found) else None

    def _stands(self, style: StoredStyle) -> bool:
        sizes = uris.list_sizes(uris.join(self.root, style.name))
        return sizes.get(STYLE_FILE) == style.size

    def put(self, trained: TrainedDomain) -> StoredStyle:
        """Keep what an adaptation left; what an earlier one left goes first, and the marker is
        written last.

        Raises:
            OutputError: no space or no permission; names the path.
        """
        name, data = trained.job.run_name, trained.files[STYLE_FILE]
        folder = uris.join(self.root, name)
        marker = uris.join(folder, MARKER)
        uris.remove(marker)
        uris.remove(folder, recursive=True)
        for path, content in trained.files.items():
            uris.put_bytes(resolve_under(self.root, name, path), content)
        stored = StoredStyle(
            name=name,
            sha256=hashlib.sha256(data).hexdigest(),
            size=len(data),
            seconds=float(trained.metrics.get("seconds", 0.0)),
            step=int(trained.info.get("step") or 0),
            metrics=dict(trained.metrics),
        )
        uris.put_bytes(marker, uris.to_json(asdict(stored)))
        return stored

    def read(self, style: StoredStyle) -> bytes:
        """Return the bytes of a style's file.

        Raises:
            CheckpointError: they are not what was kept; the marker is removed, so that the next run
                adapts again.
        """
        data = uris.read_bytes(uris.join(self.root, style.name, STYLE_FILE))
        if hashlib.sha256(data).hexdigest() != style.sha256:
            uris.remove(uris.join(self.root, style.name, MARKER))
            raise CheckpointError(
                f"style {style.name} is not what was kept; the same command adapts it again"
            )
        return data

    def curve(self, name: str) -> list[dict[str, Any]]:
        """Return the scores of an adaptation, step by step; none where it left no curve."""
        uri = uris.join(self.root, name, "curve.parquet")
        if not uris.exists(uri):
            return []
        return pq.read_table(io.BytesIO(uris.read_bytes(uri))).to_pylist()
