"""Files of styles: safetensors whose header tells the kind, so that one reader serves all kinds."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from safetensors.torch import save
from torch import Tensor

from itportrait.errors import CheckpointError, OutputError
from itportrait.styles.names import CARD_FILE, STYLE_FILE
from itportrait.weights.limits import Limits
from itportrait.weights.safetensors import open_safetensors, parse_json
from itportrait.weights.windows import Window


@dataclass(frozen=True)
class StyleFile:
    """What a style's file holds.

    Args:
        kind: which class reads it; stands in the header as `format`.
        domain: name of the style domain.
        base_model_id: `model_id` of the bundle that the style belongs to.
        tensors: by name.
        info: JSON data kept with it.
    """

    kind: str
    domain: str
    base_model_id: str
    tensors: Mapping[str, Tensor] = field(repr=False)
    info: dict[str, Any] = field(default_factory=dict[str, Any])

    def to_bytes(self) -> bytes:
        """Return the safetensors file."""
        metadata = {
            "format": self.kind,
            "domain": self.domain,
            "base_model_id": self.base_model_id,
            "info": json.dumps(self.info, sort_keys=True),
        }
        tensors = {name: tensor.contiguous() for name, tensor in self.tensors.items()}
        return save(tensors, metadata)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            CheckpointError: truncated, or no style's file.
        """
        file = open_safetensors(Window(io.BytesIO(data), 0, len(data)), Limits(len(data)))
        missing = {"format", "domain", "base_model_id", "info"} - file.metadata.keys()
        if missing:
            raise CheckpointError(
                f"not a style: its header lacks {', '.join(sorted(missing))}; expected a file that "
                "the adaptation of a domain wrote"
            )
        return cls(
            file.metadata["format"],
            file.metadata["domain"],
            file.metadata["base_model_id"],
            {name: tensor.read() for name, tensor in file.tensors.items()},
            parse_json(file.metadata["info"], "its info"),
        )

    def save(self, folder: str | Path) -> Path:
        """Write the file and its card (`domain.json`) into a folder, which is made.

        Returns:
            Path of the file.

        Raises:
            OutputError: writing failed; names the path.
        """
        path = Path(folder)
        try:
            path.mkdir(parents=True, exist_ok=True)
            temporary = path / (STYLE_FILE + ".tmp")
            temporary.write_bytes(self.to_bytes())
            card = {"domain": self.domain, "base_model_id": self.base_model_id, **self.info}
            (path / CARD_FILE).write_text(json.dumps(card, indent=2, sort_keys=True) + "\n")
            temporary.replace(path / STYLE_FILE)
        except OSError as error:
            raise OutputError(f"cannot write the style to {path}: {error}") from error
        return path / STYLE_FILE


def read_local(path: str | Path) -> tuple[bytes, str]:
    """Return the bytes of a style's file, given as the file or its folder, and the file's path.

    Raises:
        CheckpointError: it cannot be read.
    """
    file = Path(path)
    file = file / STYLE_FILE if file.is_dir() else file
    try:
        return file.read_bytes(), str(file)
    except OSError as error:
        raise CheckpointError(f"cannot read the style {file}: {error}") from error
