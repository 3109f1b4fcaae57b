"""three.js of the npm registry, one pinned version, for tests that open our files in it."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.conftest import REPOSITORY

VERSION = "0.187.0"
SHA512 = "Qiu7R+Cmh8CstZsY1uJOSWnVlfo7ZtNLV7mF8Jltk3LB3AtDu9cRZlcnRKkAk8Y4z6KKw35z7Y7Urd7jWY8etA=="


def find_three() -> tuple[Path | None, str]:
    """Return the folder of three.js, which is fetched once into `build`, or why there is none."""
    place = REPOSITORY / "build" / "three" / VERSION
    if (place / "package" / "package.json").exists():
        return place / "package", ""
    npm = shutil.which("npm")
    if npm is None:
        return None, "three.js is not in build/three, and there is no npm to fetch it"
    place.mkdir(parents=True, exist_ok=True)
    command = [npm, "pack", f"three@{VERSION}", "--silent", "--pack-destination", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return None, "npm did not fetch three.js within 120 s"
    file = place / f"three-{VERSION}.tgz"
    if done.returncode or not file.exists():
        return None, f"npm cannot fetch three.js: {(done.stderr or done.stdout).strip()[-300:]}"
    digest = base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
    assert digest == SHA512, f"{file} is not the file that is pinned"
    with tarfile.open(file) as archive:
        archive.extractall(place, filter="data")
    file.unlink()
    return place / "package", ""
