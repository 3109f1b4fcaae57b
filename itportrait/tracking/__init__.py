"""Where runs are reported to: MLflow, or nowhere. The only package that imports MLflow."""

from collections.abc import Mapping
from pathlib import Path

from itportrait.tracking.base import (
    CHAMPION_ON_BANK_PROBE,
    FINAL,
    FINAL_ON_BANK_PROBE,
    OVERALL,
    Backlog,
    RunStatus,
    Tracker,
    final_image_key,
    probe_image_key,
)
from itportrait.tracking.database import check_uri
from itportrait.tracking.faults import RefusedError
from itportrait.tracking.mlflow_tracker import (
    DEFAULT_URI,
    MlflowTracker,
    close_tracking,
    default_spool,
    replay_spool,
    waiting_spools,
)
from itportrait.tracking.model_registry import ModelCard, ModelRegistry, open_registry
from itportrait.tracking.notes import NOTE_TAG
from itportrait.tracking.null_tracker import NullTracker

__all__ = [
    "CHAMPION_ON_BANK_PROBE",
    "DEFAULT_URI",
    "FINAL",
    "FINAL_ON_BANK_PROBE",
    "NOTE_TAG",
    "OVERALL",
    "Backlog",
    "MlflowTracker",
    "ModelCard",
    "ModelRegistry",
    "NullTracker",
    "RefusedError",
    "RunStatus",
    "Tracker",
    "check_uri",
    "close_tracking",
    "default_spool",
    "final_image_key",
    "open_registry",
    "open_tracker",
    "probe_image_key",
    "replay_spool",
    "waiting_spools",
]


def open_tracker(
    uri: str | None,
    name: str,
    *,
    experiment: str = "style-bank",
    key: str | None = None,
    tags: Mapping[str, str] | None = None,
    spool: str | Path | None = None,
) -> Tracker:
    """Open a run: in MLflow at `uri`, or nowhere for None, "" and "none".

    Args:
        uri: MLflow tracking URI such as `sqlite:///runs/mlflow.db` or `http://127.0.0.1:5000`.
        name: of the run, as the UI shows it.
        experiment: made if absent.
        key: identity across restarts: the same key finds the same run (default: name).
        tags: set on the run.
        spool: folder in which events wait for the service.

    Raises:
        InvalidArgumentError: the URI is none of a tracking service, or the driver of its database
            is not installed.
    """
    if uri in (None, "", "none"):
        return NullTracker()
    check_uri(str(uri))
    return MlflowTracker(name, experiment=experiment, uri=str(uri), key=key, tags=tags, spool=spool)
