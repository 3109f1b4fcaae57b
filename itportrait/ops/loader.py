"""The one loader of native code: prebuilt, else built once into a cache folder, else the reference.

A native op is one C++ file with a C interface, which may include headers by their path from it. The
machine's compiler builds it in a few seconds, and ctypes opens it, so no headers of torch are
needed and no ABI has to match. Loading is lazy. A failure is remembered and logged once with its
reason, and the caller then uses the plain PyTorch reference.
"""

import ctypes
import hashlib
import logging
import os
import platform
import re
import shutil
import subprocess
import sysconfig
import tempfile
from functools import cache
from pathlib import Path

from itportrait.cache import cache_folder
from itportrait.errors import ItportraitError

logger = logging.getLogger(__name__)

# -ffast-math itself is not used: linked into a shared library it flushes denormals process-wide.
COMPILE_FLAGS = (
    "-std=c++17",
    "-O3",
    "-march=native",
    "-mprefer-vector-width=512",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fno-signed-zeros",
    "-ffinite-math-only",
    "-fassociative-math",
    "-freciprocal-math",
    "-shared",
    "-fPIC",
)


_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


class NativeOpError(ItportraitError, RuntimeError):
    """A native op was asked for by name and cannot be had; says why, and what to do."""


def native_sources() -> list[Path]:
    """Return the C++ files of all native ops, wherever in the package they lie."""
    return sorted(Path(__file__).parents[1].rglob("*.cpp"))


def open_library(source: Path) -> ctypes.CDLL:
    """Return the library of a native op.

    Raises:
        NativeOpError: it is not available; says why.
    """
    library, reason = load_library(source)
    if library is None:
        raise NativeOpError(f"native op {source.parent.name!r} is not available: {reason}")
    return library


def absence(source: Path) -> str:
    """Return why a native op cannot be had on this machine, or ""."""
    reason = load_library(source)[1]
    return f"is not available: {reason}; install g++" if reason else ""


@cache
def load_library(source: Path) -> tuple[ctypes.CDLL | None, str]:
    """Load an op's library once per process.

    Args:
        source: the op's C++ file. A library with the same stem beside it (prebuilt) goes first.

    Returns:
        The library and an empty string, or None and why.
    """
    reasons = []
    for attempt in (_load_prebuilt, _load_built):
        try:
            return attempt(source), ""
        except (OSError, NativeOpError) as error:
            reasons.append(f"{attempt.__name__.removeprefix('_load_')}: {error}")
    reason = "; ".join(reasons)
    logger.warning("native op %s: using the PyTorch reference (%s)", source.parent.name, reason)
    return None, reason


def _load_prebuilt(source: Path) -> ctypes.CDLL:
    library = source.with_suffix(sysconfig.get_config_var("SHLIB_SUFFIX") or ".so")
    if not library.exists():
        raise NativeOpError("none shipped")
    return ctypes.CDLL(str(library))


def _load_built(source: Path) -> ctypes.CDLL:
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise NativeOpError("no C++ compiler found (CXX, g++, clang++)")
    library = cache_folder() / "ops" / f"{source.parent.name}-{_build_key(source, compiler)}.so"
    if not library.exists():
        _build(compiler, source, library)
    return ctypes.CDLL(str(library))


def _build_key(source: Path, compiler: str) -> str:
    """Hash what decides the machine code: sources, flags, compiler, and the CPU that it is for."""
    parts = [file.read_bytes() for file in included_files(source)]
    parts.append(" ".join((compiler, *COMPILE_FLAGS)).encode())
    parts.append(platform.machine().encode())
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.exists():  # a home folder is often shared by machines of several generations
        lines = cpu_info.read_text(errors="replace").splitlines()
        parts.append(next((line for line in lines if line.startswith("flags")), "").encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def included_files(source: Path) -> list[Path]:
    """Return a C++ file and all headers that it includes by quotes, directly or through another.

    A header that does not exist is left out: the compiler is the one to say so.
    """
    files, waiting = [], [source.resolve()]
    while waiting:
        file = waiting.pop()
        if file in files or not file.exists():
            continue
        files.append(file)
        names = _INCLUDE.findall(file.read_bytes())
        waiting += [(file.parent / os.fsdecode(name)).resolve() for name in names]
    return files


def _build(compiler: str, source: Path, library: Path) -> None:
    """Compile into a temporary name and rename: concurrent processes never see half a library."""
    library.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=library.stem, suffix=".tmp", dir=library.parent)
    os.close(handle)
    command = [compiler, *COMPILE_FLAGS, str(source), "-o", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise NativeOpError(f"{compiler} failed: {done.stderr.strip()[-800:]}")
        os.replace(name, library)
    except subprocess.TimeoutExpired as error:
        raise NativeOpError(f"{compiler} took longer than 300 s") from error
    finally:
        Path(name).unlink(missing_ok=True)
