"""Digests of rows: what must stay the same for a later stage's work to stand."""

import hashlib
from dataclasses import fields
from typing import Any, cast

import numpy as np

from itportrait.config import fingerprint
from itportrait.records import Record


def row_digest(record: Record) -> str:
    """Return a digest of what later stages take from a row; timings and file names are no part."""
    parts: list[Any] = [record.record_id, str(record.status)]
    for column in fields(record):
        value: Any = getattr(record, column.name)
        values = cast(tuple[Any, ...], value) if isinstance(value, tuple) else (value,)
        read = column.metadata.get("read_later", any(isinstance(v, np.ndarray) for v in values))
        if read:
            stored_as = column.metadata.get("stored_as")
            parts += [[column.name, _digested(v, stored_as)] for v in values if v is not None]
    return fingerprint(*parts)


def _digested(value: Any, stored_as: type | None) -> Any:
    """Return a value for a digest: of arrays, the hash of the bytes that tables hold."""
    if stored_as is None:
        if not isinstance(value, np.ndarray):
            return value
        kind: np.dtype[Any] = cast(Any, value).dtype
        if np.issubdtype(kind, np.floating):
            stored_as = np.float32
    return hashlib.sha256(np.ascontiguousarray(value, dtype=stored_as).tobytes()).hexdigest()
