"""The published networks that are known here: where they come from, and their terms."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from itportrait.errors import UnknownNameError

LANDMARKS_SETTING = "align.camera_points: dense"
"""What a configuration says to use dense landmarks."""
Slot = Literal["identity", "perceptual", "landmarks", "irises", "clips"]
QUICK = "-quickgelu"
"""End of the names of open_clip's architectures with OpenAI's activation."""


@dataclass(frozen=True)
class PublishedModel:
    """One network that others publish."""

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

    @property
    def used_by(self) -> str:
        """What uses the network, in words."""
        if self.slot == "landmarks":
            return f"`itportrait align` and jobs with {LANDMARKS_SETTING}"
        if self.slot == "irises":
            return "Python programs, by `itportrait.align.points.FacePoints`"
        kind = "an image-text" if self.slot == "clips" else f"the {self.slot}"
        return f"{kind} model of bundles that name models:{self.name}"


@dataclass(frozen=True)
class WheelModel(PublishedModel):
    """One network inside a wheel of the Python index."""

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


@dataclass(frozen=True)
class OpenClipModel(PublishedModel):
    """Weights of an architecture of open_clip, of which a user brings the file: no package has it.

    The file is not pinned: several trainings publish weights of one architecture.
    """

    architecture: str
    """Name of the architecture in open_clip."""
    tag: str
    """Name, in open_clip, of the weights that are downloaded where somebody asks for it."""
    repository: str
    """Name of the repository on the hub that open_clip takes them from."""

    @property
    def tower(self) -> str:
        """Name of the architecture with GELU: the other one has the same tensors."""
        return self.architecture.removesuffix(QUICK)

    @property
    def file(self) -> str:
        """Name of the file in the repository."""
        return "open_clip_model.safetensors"


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
    slot: Slot, *, name: str, what: str, note: str, member: str, sha256: str, size: int
) -> WheelModel:
    """Return a network of MediaPipe's wheel. It is an archive of data here, so one for all
    machines."""
    return WheelModel(
        name=name,
        what=what,
        slot=slot,
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


def _laion(patch: int, training: str) -> OpenClipModel:
    return OpenClipModel(
        name=f"open-clip-vit-b-{patch}",
        what=f"open_clip's ViT-B/{patch} with GELU, as trained on LAION-2B or DataComp",
        slot="clips",
        license="that of the file; MIT for those by LAION",
        note="Pictures and texts of the web taught it, uncurated; their biases are in it.",
        architecture=f"ViT-B-{patch}",
        tag=f"laion2b_{training}".lower().replace("-", "_"),
        repository=f"laion/CLIP-ViT-B-{patch}-laion2B-{training}",
    )


def _openai(patch: int) -> OpenClipModel:
    return OpenClipModel(
        name=f"open-clip-vit-b-{patch}{QUICK}",
        what=f"open_clip's ViT-B/{patch} with QuickGELU, as trained by OpenAI",
        slot="clips",
        license="that of the file; MIT for those by OpenAI",
        note="OpenAI's model card puts deployed use out of scope. No tensor tells QuickGELU from "
        "GELU, and with the wrong one the numbers are wrong without an error.",
        architecture=f"ViT-B-{patch}{QUICK}",
        tag="openai",
        repository=f"timm/vit_base_patch{patch}_clip_224.openai",
    )


_KNOWN: tuple[WheelModel | OpenClipModel, ...] = (
    WheelModel(
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
    WheelModel(
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
        "landmarks",
        name="face-mesh",
        what="MediaPipe's face mesh: 468 points of a face",
        note="Made by Google from photos of faces. The wheel holds programs for Linux; only this "
        "file is taken out of it, on every system.",
        member="face_landmark/face_landmark.tflite",
        sha256="1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        size=1_242_398,
    ),
    _of_mediapipe(
        "irises",
        name="face-iris",
        what="MediaPipe's iris: 5 points of each iris, to the points of face-mesh",
        note="Made by Google from photos of eyes. The wheel is that of face-mesh.",
        member="iris_landmark/iris_landmark.tflite",
        sha256="d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
        size=2_640_568,
    ),
    *(_laion(patch, tag) for patch, tag in ((32, "s34B-b79K"), (16, "s34B-b88K"))),
    *(_openai(patch) for patch in (32, 16)),
)
MODELS = {model.name: model for model in _KNOWN}
"""The published networks that are known here, by name."""


def find_model(name: str) -> WheelModel | OpenClipModel:
    """Return a published network by its name.

    Raises:
        UnknownNameError: there is none such; lists those that there are.
    """
    if name not in MODELS:
        raise UnknownNameError("published model", name, list(MODELS))
    return MODELS[name]
