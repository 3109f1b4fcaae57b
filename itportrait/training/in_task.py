"""Adapt a domain in one task: the models stay in its process, and its state on the storage."""

import io
import logging
import zipfile
from typing import Any

from itportrait.io import uris
from itportrait.training.domain_job import DomainJob
from itportrait.training.here import adapt_here
from itportrait.training.interrupted import STATE
from itportrait.training.trained_domain import TrainedDomain

logger = logging.getLogger(__name__)


def adapt_in_task(job: DomainJob, storage: str, device: str) -> TrainedDomain:
    """Adapt a domain in this process, or go on with an adaptation that was interrupted.

    Args:
        job: the domain.
        storage: folder or URI that all workers reach; `RUN/state-*.pt` is the last probed step.
        device: torch device.

    Raises:
        ItportraitError: options, references or models do not fit.
        OSError: storage failed again and again. A state that may be there is not given up.
    """
    import torch

    place = uris.join(storage, job.run_name, STATE)

    def keep(report) -> None:
        if report.last:
            return  # after it follows the result itself
        buffer = io.BytesIO()
        torch.save(report.state(), buffer)
        uris.put_bytes(place, buffer.getvalue())

    return adapt_here(job, device=device, on_report=keep, resume_state=_kept_state(place))


def _kept_state(place: str) -> dict[str, Any] | None:
    """Return the state of an interrupted adaptation, or None where there is none, or a damaged one.

    A storage that fails says nothing about the state, so its error comes through.
    """
    import torch

    try:
        data = uris.read_bytes(place)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not _is_whole(data):  # nothing is lost but the steps
        logger.warning("%s is damaged, and its adaptation begins anew", uris.redact(place))
        return None
    return torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")


def _is_whole(data: bytes) -> bool:
    """Tell whether the checksums of a file of `torch.save` hold; its own loader reads no sums."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.testzip() is None
    except MemoryError:
        raise
    except Exception:  # zipfile raises what its parts raise, of damaged directories
        return False
