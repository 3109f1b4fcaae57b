"""Interrupted trainings: tell whether one is resumed, or starts anew and why.

A checkpoint's state file bears the form of the state in its name. A release that writes another
form finds none that it can read, and Ray Train's run begins again from its first step.
"""

import re

from itportrait.adapt.loop import STATE_FORMAT
from itportrait.io import uris
from itportrait.training.domain_job import DomainJob
from itportrait.training.trained_domain import RESULT

STATE = f"state-{STATE_FORMAT}.pt"
"""Name of the file with a run's state in a checkpoint's folder."""
CHECKPOINT = "checkpoint-"
"""Beginning of the names of checkpoints' folders."""


def reason_to_start_anew(job: DomainJob, storage: str) -> str:
    """Return the line that says why an interrupted training does not go on; "" if none is left.

    Args:
        job: the training that is about to start.
        storage: folder or URI of the checkpoints.
    """
    domain = job.spec.name
    found = _checkpoints(uris.join(storage, job.run_name))
    if found:
        if any(STATE in files or RESULT in files for files in found):
            return ""
        return f"domain {domain}: another release began its training, which starts anew"
    pattern = re.compile(re.escape(domain) + r"-[0-9a-f]{16}")
    for name in uris.list_names(storage):
        if pattern.fullmatch(name) and _checkpoints(uris.join(storage, name)):
            return (
                f"domain {domain}: the interrupted training {name} had other settings or was of "
                "another release; the training starts anew"
            )
    return ""


def _checkpoints(run: str) -> list[list[str]]:
    """Return the names of the files of every checkpoint of a run."""
    names = [name for name in uris.list_names(run) if name.startswith(CHECKPOINT)]
    return [uris.list_names(uris.join(run, name)) for name in names]
