"""The state of an adaptation in one process, kept beside the bank's versions until it has ended."""

import io
from typing import Any

from itportrait.io import uris
from itportrait.training.domain_job import DomainJob
from itportrait.training.interrupted import STATE

_FOLDER = "_adapting"
"""Folder in a bank. Trainings of Ray Train have another one, whose files they alone write."""


class KeptState:
    """The last state of one adaptation, so that the same command goes on from it.

    Args:
        bank: folder or URI of the bank.
        job: the adaptation; another one, or another release's, finds nothing.
    """

    def __init__(self, bank: str, job: DomainJob) -> None:
        self.folder = uris.join(bank, _FOLDER, job.run_name)
        self._file = uris.join(self.folder, STATE)

    def load(self) -> dict[str, Any] | None:
        """Return the state, or None where there is none, or none that can be read."""
        import torch

        try:
            data = uris.read_bytes(self._file)
        except FileNotFoundError:
            return None
        try:
            return torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
        except Exception:  # whatever bytes the file has: a training that begins anew loses nothing
            return None

    def save(self, state: dict[str, Any]) -> None:
        """Keep a state in place of the one before it."""
        import torch

        file = io.BytesIO()
        torch.save(state, file)
        uris.put_bytes(self._file, file.getvalue())

    def remove(self) -> None:
        """Remove what is kept: the adaptation has ended, and its version is published."""
        uris.remove(self.folder, recursive=True)
