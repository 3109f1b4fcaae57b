"""The state of an adaptation in one process, kept until it has ended: the next one goes on from it.

Trainings of Ray Train have folders of their own, whose files they alone write.
"""

import io
import logging
import zipfile
from typing import Any

from itportrait.io import uris
from itportrait.training.domain_job import DomainJob
from itportrait.training.interrupted import STATE

logger = logging.getLogger(__name__)

_FOLDER = "_adapting"
"""Folder in a bank, beside its versions."""


class KeptState:
    """The last state of one adaptation: the next process with the same job goes on from it.

    Args:
        storage: folder or URI; the state is `RUN/state-*.pt` in it.
        job: the adaptation; another one, or another release's, finds nothing.
    """

    def __init__(self, storage: str, job: DomainJob) -> None:
        self.folder = uris.join(storage, job.run_name)
        self._file = uris.join(self.folder, STATE)

    @classmethod
    def in_bank(cls, bank: str, job: DomainJob) -> "KeptState":
        """Return the state that is kept in the bank to which the adaptation is published."""
        return cls(uris.join(bank, _FOLDER), job)

    def load(self) -> dict[str, Any] | None:
        """Return the state, or None where there is none, or a damaged one.

        Raises:
            OSError: storage failed again and again, which says nothing about the state.
        """
        import torch

        try:
            data = uris.read_bytes(self._file)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not _is_whole(data):  # nothing is lost but the steps
            logger.warning("%s is damaged, and its adaptation begins anew", uris.redact(self._file))
            return None
        return torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")

    def save(self, state: dict[str, Any]) -> None:
        """Keep a state in place of the one before it."""
        import torch

        file = io.BytesIO()
        torch.save(state, file)
        self.put(file.getvalue())

    def put(self, data: bytes) -> None:
        """Keep the file of a state, as `torch.save` writes it."""
        uris.put_bytes(self._file, data)

    def remove(self) -> None:
        """Remove what is kept, if there is any: the adaptation's version is published."""
        uris.remove(self.folder, recursive=True)


def _is_whole(data: bytes) -> bool:
    """Tell whether the checksums of a file of `torch.save` hold; its own loader reads no sums."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.testzip() is None
    except MemoryError:
        raise
    except Exception:  # zipfile raises what its parts raise, of damaged directories
        return False
