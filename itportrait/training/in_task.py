"""Adapt a domain in one task: the models stay in its process, and its state on the storage."""

import io
import logging

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
    """
    import torch

    place = uris.join(storage, job.run_name, STATE)

    def keep(report) -> None:
        if report.last:
            return  # after it follows the result itself
        buffer = io.BytesIO()
        torch.save(report.state(), buffer)
        uris.put_bytes(place, buffer.getvalue())

    state = None
    try:
        data = io.BytesIO(uris.read_bytes(place))
        state = torch.load(data, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        pass
    except Exception as error:  # whatever was damaged: nothing is lost but the steps
        logger.warning("%s cannot be read, and it begins anew: %s", uris.redact(place), error)
    return adapt_here(job, device=device, on_report=keep, resume_state=state)
