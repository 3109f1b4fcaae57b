"""Small wheels of published networks, and what a registry says of them."""

import hashlib
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

from itportrait.published.dlib_face import convert_dlib_face
from itportrait.published.registry import WheelModel
from itportrait.published.store import get_model
from tests.helpers.dlib_files import small_network

MEMBER = "tiny_faces/weights/net.dat"
CONTENT = bytes(range(256)) * 40
WHEEL = "tiny_faces-0.2-py3-none-any.whl"


def converted(source: Path, target: Path) -> None:
    target.write_bytes(b"converted " + source.read_bytes())


def write_wheel(folder: Path, content: bytes = CONTENT) -> Path:
    """Write a wheel whose code would leave a mark if any of it were run."""
    about = "tiny_faces-0.2.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / "run"
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        archive.writestr("tiny_faces/__init__.py", f"open({str(mark)!r}, 'w')\n")
        archive.writestr("setup.py", f"open({str(mark)!r}, 'w')\n")
        archive.writestr(MEMBER, content)
        archive.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-faces\nVersion: 0.2\n"
        )
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    return folder / WHEEL


def model_of(wheel: Path, content: bytes = CONTENT, **values: Any) -> WheelModel:
    """Return what a registry would say of such a wheel."""
    data = wheel.read_bytes()
    about = dict[str, Any](
        name="tiny-faces",
        what="a network of the tests",
        slot="identity",
        license="none",
        note="",
        project="tiny-faces",
        version="0.2",
        wheel=WHEEL,
        wheel_sha256=hashlib.sha256(data).hexdigest(),
        wheel_bytes=len(data),
        member=MEMBER,
        member_sha256=hashlib.sha256(content).hexdigest(),
        member_bytes=len(content),
        convert=converted,
    )
    return WheelModel(**(about | values))


def get_small_faces(folder: Path, name: str = "dlib-face") -> WheelModel:
    """Put a small network of dlib's kind into the cache of this machine, as `name`."""
    stages = (4, 6), (1, 1)
    data = small_network(*stages)[0]
    wheel = write_wheel(folder, data)
    convert = partial(convert_dlib_face, stages=stages)
    model = model_of(wheel, data, name=name, convert=convert)
    get_model(model, wheel)
    return model
