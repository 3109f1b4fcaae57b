"""A worker of Ray Train: it runs the training, and keeps its checkpoints with Ray."""

import os
import tempfile
import uuid
from pathlib import Path
from typing import Any

import ray

from itportrait.text import shown
from itportrait.training.files import load_state
from itportrait.training.interrupted import CHECKPOINT
from itportrait.training.progress import ProgressFile
from itportrait.training.worker import SaveFiles, TrainingWorker


def train_loop(config: dict[str, Any]) -> None:
    """Run in every worker; `config` has `job`, `storage` and `deadline_s`."""
    import torch
    from ray import train

    from itportrait.on_ray.torch_workers import TorchWorkers

    _choose_temporary_folder()
    context = train.get_context()
    rank, count = context.get_world_rank(), context.get_world_size()
    device = "cuda" if torch.cuda.is_available() and ray.get_gpu_ids() else "cpu"
    TrainingWorker(
        job=config["job"],
        rank=rank,
        device=device,
        workers=TorchWorkers(rank, count, device) if count > 1 else None,
        checkpoints=_RayCheckpoints(),
        deadline_s=config["deadline_s"],
        on_progress=ProgressFile(config["storage"], config["job"]).write,
    ).run()


class _RayCheckpoints:
    """Checkpoints as Ray Train keeps them: those that are reported, on the run's storage."""

    def load(self) -> dict[str, Any] | None:
        from ray import train

        checkpoint = train.get_checkpoint()
        if checkpoint is None:
            return None
        with checkpoint.as_directory() as folder:
            return load_state(Path(folder))

    def report(self, metrics: dict[str, Any], save: SaveFiles | None) -> None:
        from ray import train

        if save is None:
            train.report(metrics)
            return
        with tempfile.TemporaryDirectory() as folder:
            save(Path(folder))
            # A name of its own for every attempt: an orphan of a killed one is never mixed up
            # with it.
            name = f"{CHECKPOINT}{metrics['step']:06d}-{uuid.uuid4().hex[:8]}"
            train.report(
                metrics,
                checkpoint=train.Checkpoint.from_directory(folder),
                checkpoint_dir_name=name,
            )


def _choose_temporary_folder() -> None:
    """Leave a TMPDIR whose name is not UTF-8: pyarrow carries the checkpoints and refuses it."""
    given = tempfile.gettempdir()
    if shown(given) != given:
        tempfile.tempdir = os.environ.get("RAY_TMPDIR") or "/tmp"
