"""The files in a training's checkpoints: its state while it runs, and finally its result.

The folders lie in the bank, which may be of others: nothing in them is trusted.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from itportrait.documents import build, parse_object
from itportrait.errors import ItportraitError
from itportrait.io.names import resolve_local
from itportrait.training.domain_job import DomainJob
from itportrait.training.interrupted import STATE
from itportrait.training.trained_domain import RESULT, TrainedDomain


@dataclass(frozen=True)
class _Result:
    """The description of a finished training, beside its files."""

    base_model_id: str
    metrics: dict[str, int | float]
    info: dict[str, Any]


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write the state of a training that goes on into a checkpoint's folder."""
    import torch

    torch.save(state, folder / STATE)


def load_state(folder: Path) -> dict[str, Any] | None:
    """Return the state in a checkpoint's folder, or None where another release wrote it."""
    import torch

    path = folder / STATE
    return torch.load(path, weights_only=True, map_location="cpu") if path.exists() else None


def save_result(folder: Path, trained: TrainedDomain) -> None:
    """Write what a finished training leaves into a checkpoint's folder."""
    about = {name: getattr(trained, name) for name in ("base_model_id", "metrics", "info")}
    for path, content in {**trained.files, RESULT: json.dumps(about).encode()}.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def read_result(job: DomainJob, folder: Path) -> TrainedDomain:
    """Return what a finished training left in its last checkpoint's folder.

    Raises:
        ItportraitError: the training has not finished.
        InvalidArgumentError: the result is damaged, or a file of it leads out of the folder.
    """
    if not (folder / RESULT).exists():
        raise ItportraitError(f"domain {job.spec.name!r} ended before its result was stored")
    source = f"{RESULT} of domain {job.spec.name!r}"
    about = build(_Result, parse_object((folder / RESULT).read_bytes(), source), source)
    names = [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != RESULT and not path.name.startswith(".")
    ]
    # The folder lies in the bank, which may be of others: no link in it brings a file of the user.
    files = {name: resolve_local(folder, name, what=source).read_bytes() for name in names}
    return TrainedDomain(job=job, files=files, **vars(about))
