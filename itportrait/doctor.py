"""Check what this machine has of what the product uses, and name the remedy for what is missing."""

import importlib.metadata
import importlib.util
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from itportrait.errors import ItportraitError
from itportrait.io import uris


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Args:
        what: its name.
        ok: whether it is there and works.
        about: version, place, or the reason.
        remedy: what to do; empty where nothing is to be done.
        needed: whether the product cannot work without it.
    """

    what: str
    ok: bool
    about: str
    remedy: str = ""
    needed: bool = True

    @property
    def state(self) -> str:
        """In a word: ok, missing (and needed), or absent."""
        return "ok" if self.ok else "missing" if self.needed else "absent"


def examine() -> list[Finding]:
    """Run all checks; one that breaks is itself a finding."""
    checks: list[tuple[str, Callable[[], list[Finding]]]] = [
        ("packages", _packages),
        ("GPU", _gpu),
        ("native ops", _native_ops),
        ("models", _models),
        ("published models", _published_models),
        ("Ray", _ray),
        ("MLflow", _mlflow),
        ("disk", _disk),
    ]
    findings = []
    for name, check in checks:
        try:
            findings += check()
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            findings.append(Finding(name, False, text, "a defect or a broken install: reinstall"))
    return findings


def _packages() -> list[Finding]:
    found = [Finding("itportrait", True, _version("itportrait"))]
    found += [Finding(name, True, _version(name)) for name in ("torch", "ray", "mlflow", "pyarrow")]
    for extra, module, what in (
        ("s3", "s3fs", "s3:// storage"),
        ("gcs", "gcsfs", "gs:// storage"),
        ("onnx", "onnx", "ONNX identity networks"),
        ("inception", "torch_fidelity", "FID by the published network"),
    ):
        there = importlib.util.find_spec(module) is not None
        remedy = "" if there else f"pip install 'itportrait[{extra}]'"
        about = f"{module} {_version(module)}" if there else f"{module} is not installed"
        found.append(Finding(what, there, about, remedy, needed=False))
    return found


def _gpu() -> list[Finding]:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return [Finding("GPU", True, ", ".join(names), needed=False)]
    built = torch.version.cuda
    about = "torch was built without CUDA" if built is None else f"none seen (CUDA {built} build)"
    remedy = "the mini family runs without; for ffhq512 see `nvidia-smi` and the driver"
    return [Finding("GPU", False, about, remedy, needed=False)]


def _native_ops() -> list[Finding]:
    """Check which implementations each op can use; the PyTorch reference serves where no other can.

    Kernels for a GPU are not missed where there is none.
    """
    from itportrait.ops import all_ops
    from itportrait.ops.gpu import NO_DEVICE

    found = []
    for op in all_ops():
        reasons = op.explain()
        there = [name for name, reason in reasons.items() if not reason]
        absent = {name: reason for name, reason in reasons.items() if reason}
        about = "; ".join([*there, *(f"{name} {reason}" for name, reason in absent.items())])
        missing = any(reason != NO_DEVICE for reason in absent.values())
        remedy = "plain PyTorch serves meanwhile" if missing else ""
        found.append(Finding(f"op {op.name}", not missing, about, remedy, needed=False))
    return found


def _models() -> list[Finding]:
    from itportrait.bundle import load_bundle

    try:
        bundle = load_bundle("mini")
        bundle.verify()
    except ItportraitError as error:
        return [Finding("models: mini", False, str(error), "make pretrain")]
    return [Finding("models: mini", True, bundle.model_id)]


def _published_models() -> list[Finding]:
    from itportrait.published.registry import MODELS
    from itportrait.published.store import place_of, state_of

    found = []
    for model in MODELS.values():
        there = (state := state_of(model)) == "present"
        about = str(place_of(model)) if there else f"{state}; {model.what}"
        remedy = "" if there else f"itportrait models get {model.name}"
        found.append(Finding(f"models: {model.name}", there, about, remedy, needed=False))
    return found


def _ray() -> list[Finding]:
    address = os.environ.get("RAY_ADDRESS")
    if not address:
        return [Finding("Ray", True, f"{_version('ray')}, embedded in each job on this machine")]
    return [Finding("Ray", True, f"{_version('ray')}, cluster at {uris.redact(address)}")]


def _mlflow() -> list[Finding]:
    target = os.environ.get("MLFLOW_TRACKING_URI", "")
    where = uris.redact(target) if target else "sqlite below runs/, no server needed"
    return [Finding("MLflow", True, f"{_version('mlflow')}, {where}")]


def _disk() -> list[Finding]:
    free_gb = shutil.disk_usage(os.getcwd()).free / 1e9
    enough = free_gb > 2
    remedy = "" if enough else "set ITPORTRAIT_RUNS to a larger disk"
    return [Finding("disk", enough, f"{free_gb:.1f} GB free here", remedy, needed=False)]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "a checkout, not installed"
