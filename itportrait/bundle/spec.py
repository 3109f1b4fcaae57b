"""`model.json`: what a bundle holds, by name and by content."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeGuard, TypeVar

import torch
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from torch import Tensor

from itportrait.bundle.places import SETTINGS_FILE
from itportrait.config import Settings
from itportrait.documents import parse_object
from itportrait.errors import ItportraitError, MissingModelError
from itportrait.generator.families import find_family
from itportrait.generator.io import MODEL_FILE
from itportrait.geometry.camera import look_at_camera
from itportrait.geometry.orbit import FFHQ_ORBIT, Orbit
from itportrait.io.names import check_path
from itportrait.published.registry import OpenClipModel, WheelModel, find_model
from itportrait.published.store import SCHEME, check_place, is_published, origin_of

FORMAT = 1
# Bounds of what a bundle may say, since it may come from others.
_SMALLEST, _LARGEST, _WIDEST_RAD = 1e-6, 1e6, 10.0
_MOST_CLIPS = 16
READY_MADE_FOLDER = "bank"
"""Domains that come with a bundle. They are made from its models and name its `model_id`, so they
cannot be among the files that this comes from."""
RELEVANCES_FOLDER = "relevances"
"""What was measured of a bundle's generator by its models, see `itportrait.editing.styleclip`. It
names the bundle's `model_id`, too."""

_APART = (READY_MADE_FOLDER, RELEVANCES_FOLDER, SETTINGS_FILE)


def _check_file(name: str) -> str:
    return check_path(name, "a file of the bundle")


def _check_place(name: str) -> str:
    if is_published(name):
        return check_place(name)
    if name == "." or Path(name).is_absolute():
        return name
    return check_path(name, "a path in the bundle")


FileName = Annotated[str, AfterValidator(_check_file)]
"""Name of a file inside the bundle's folder."""
Place = Annotated[str, AfterValidator(_check_place)]
"""Path of a file or folder inside the bundle's folder (`.` is the folder itself), `models:NAME` for
a published network of this machine (`itportrait models`), or an absolute path, which only a bundle
in a local folder may name."""


Coordinate = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)]
"""A coordinate in world units."""


class CameraPrior(Settings):
    """Distribution of the cameras that the generator was trained with."""

    model_config = ConfigDict(allow_inf_nan=False)

    yaw_std_rad: float = Field(default=0.3, ge=0, le=_WIDEST_RAD)
    """Standard deviation of the yaw, in radians; the mean is frontal."""
    pitch_std_rad: float = Field(default=0.12, ge=0, le=_WIDEST_RAD)
    """Standard deviation of the pitch, in radians; the mean is level."""
    radius: float = Field(default=FFHQ_ORBIT.radius, gt=_SMALLEST, le=_LARGEST)
    """Distance of the cameras from the origin, in world units."""
    focal: float = Field(default=FFHQ_ORBIT.focal, gt=_SMALLEST, le=_LARGEST)
    """Focal length, as a multiple of the image's side."""
    pivot: tuple[Coordinate, Coordinate, Coordinate] = FFHQ_ORBIT.pivot
    """Point in the world that the cameras look at."""

    @property
    def orbit(self) -> Orbit:
        """Where the cameras stand and look, whatever their angles."""
        return Orbit(self.radius, self.focal, self.pivot)

    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        """Draw cameras `[count, 25]`."""
        yaw, pitch = torch.randn(2, count, generator=rng, device=rng.device)
        return look_at_camera(yaw * self.yaw_std_rad, pitch * self.pitch_std_rad, self.orbit)


Config = TypeVar("Config", bound=Settings)


class GeneratorPart(Settings, Generic[Config]):
    """The generator's file and configuration."""

    file: FileName
    """Name of the generator's file in the bundle."""
    config: Config
    """Everything that determines the generator's architecture, as its family defines it."""


class ClipSpec(Settings):
    """One image-text model."""

    kind: Literal["mini", "open_clip"]
    """Whether it is an embedded model or one of open_clip's architectures."""
    name: str = ""
    """Name of the architecture in open_clip."""
    path: Place | None = None
    """Path of the weights: a folder for kind `mini`, else a file. None means that the weights have
    not been put in place yet."""
    weight: float = Field(default=1.0, gt=0)
    """Weight with which this model guides an adaptation, unless `ite.clip_weights` says
    otherwise."""
    values: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Digest of the weights that `path` means, where that is `models:NAME`: this machine must have
    just these. `itportrait models use` writes it."""

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what earlier releases did not have, so that bundles keep their `model_id`."""
        data = handler(self)
        if self.weight == 1:
            data.pop("weight", None)
        if self.values is None:
            data.pop("values", None)
        return data

    @model_validator(mode="after")
    def _published_are_determined(self) -> Self:
        if is_published(self.path):
            model = find_model(self.path.removeprefix(SCHEME))
            if not isinstance(model, OpenClipModel):
                raise ValueError(f"path: {self.path} is a network for {model.slot}_path")
            if (self.kind, self.name) != ("open_clip", model.architecture):
                raise ValueError(f"path: {self.path} is for open_clip's {model.architecture}")
        if is_published(self.path) != (self.values is not None):
            raise ValueError(
                "values: must go with a path of models:NAME; `itportrait models use` writes both"
            )
        return self


class PerceptionSpec(Settings):
    """The perception models; paths are relative to the bundle's folder, or absolute."""

    clips: tuple[ClipSpec, ...] = Field(default=(), max_length=_MOST_CLIPS)
    """Image-text models; their similarities are averaged."""
    perceptual: Literal["mini", "lpips_vgg"] = "mini"
    """Network of the perceptual distance."""
    perceptual_path: Place | None = None
    """Path of the perceptual network's weights. For `lpips_vgg`: torchvision's VGG-16,
    `models:stlpips-vgg`, or None for torchvision's in torch's cache."""
    identity_path: Place | None = None
    """Path of the identity network: the embedded one, `models:dlib-face`, or a face-recognition
    network of your own as ONNX."""
    encoder_path: Place | None = None
    """Path of the encoder from pictures to codes; None where the family has none."""
    detector: Literal["mtcnn"] = "mtcnn"
    """Name of the face detector."""

    @model_validator(mode="after")
    def _published_fit_their_places(self) -> Self:
        for key, place in self.places().items():
            if is_published(place) and not key.startswith("clips."):
                slot = find_model(place.removeprefix(SCHEME)).slot
                if key != f"{slot}_path":
                    raise ValueError(f"{key}: {place} is a network for {slot}_path")
        if is_published(self.perceptual_path) and self.perceptual != "lpips_vgg":
            raise ValueError(f"perceptual: must be lpips_vgg for {self.perceptual_path}")
        return self

    def places(self) -> dict[str, str]:
        """Return the places of all models that are named by one, by their keys."""
        places = {
            "perceptual_path": self.perceptual_path,
            "identity_path": self.identity_path,
            "encoder_path": self.encoder_path,
        }
        places |= {f"clips.{index}.path": clip.path for index, clip in enumerate(self.clips)}
        return {key: place for key, place in places.items() if place is not None}

    def published(self) -> dict[str, dict[str, object]]:
        """Return what determines each pinned network that is named, by its name.

        Image-text models are not pinned: their `values` determine them.
        """
        places = [place for place in self.places().values() if is_published(place)]
        models = [find_model(place.removeprefix(SCHEME)) for place in places]
        return {model.name: origin_of(model) for model in models if isinstance(model, WheelModel)}


class FileEntry(Settings):
    """Digest and size of one file."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 digest of the file's bytes, in hexadecimal digits."""
    bytes: int = Field(ge=0)
    """Size of the file, in bytes."""

    def fits(self, path: Path) -> bool:
        """Return whether a file has this size and digest."""
        found = hash_file(path)
        return (found.sha256, found.bytes) == (self.sha256, self.bytes)


class HyperPart(FileEntry):
    """The hyper-network's file, which stands apart from the others; see `BundleSpec.hyper`."""

    file: FileName
    """Name of the file in the bundle."""


class BundleSpec(Settings):
    """Content of `model.json`."""

    former_names: ClassVar[dict[str, str]] = {"licence": "license"}

    format: Literal[1] = FORMAT
    """Version of this schema."""
    name: str
    """Name of the bundle."""
    family: str
    """Name in the registry of generator families: `mini`, `eg3d`, or that of another package."""
    license: str
    """Terms under which the weights may be used."""
    generator: SerializeAsAny[GeneratorPart[Any]]
    """File and configuration of the generator."""
    camera_prior: CameraPrior = CameraPrior()
    """Distribution of the cameras that the generator was trained with."""
    perception: PerceptionSpec = PerceptionSpec()
    """Models that look at pictures."""
    files: dict[FileName, FileEntry] = Field(default_factory=dict)
    """Digest and size of every file of the bundle except `model.json`, `settings.yaml`, cards and
    `hyper`."""
    hyper: HyperPart | None = None
    """The hyper-network of the inversion method `hyper`; None where the family has none. It is no
    part of `model_id`, because no result but that method's depends on it."""

    @model_serializer(mode="wrap")
    def _without_absent_hyper(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what earlier releases did not have, where there is none."""
        data = handler(self)
        if self.hyper is None:
            data.pop("hyper", None)
        return data

    @field_validator("generator", mode="before")
    @classmethod
    def _read_as_the_family_does(cls, data: Any, info: ValidationInfo) -> Any:
        if not _is_object(data) or "family" not in info.data:
            return data
        try:
            family = find_family(info.data["family"], data.get("config"))
        except ItportraitError as error:
            raise ValueError(str(error)) from None
        return GeneratorPart[family.config_type].model_validate(data)

    @model_validator(mode="after")
    def _files_are_apart(self) -> Self:
        for name in self.all_files():
            if Path(name).parts[0] == MODEL_FILE:
                raise ValueError(f"files: {MODEL_FILE} cannot name itself")
            for folder in Path(name).parents:
                if str(folder) in self.all_files():
                    raise ValueError(f"files: {str(folder)!r} is a file and the folder of {name!r}")
        return self

    def all_files(self) -> dict[str, FileEntry]:
        """Return digest and size of every file, by name."""
        return self.files | ({} if self.hyper is None else {self.hyper.file: self.hyper})

    def named_paths(self) -> list[str]:
        """Return the paths of all models that are named by one."""
        paths = [self.generator.file, *self.perception.places().values()]
        paths += [] if self.hyper is None else [self.hyper.file]
        return [path for path in paths if not is_published(path)]

    def to_text(self) -> str:
        """Return the text of `model.json`: the same bundle gives the same bytes."""
        return _to_text(self.model_dump(mode="json"))

    @property
    def model_id(self) -> str:
        """Name and fingerprint: changes with any weight or setting but those of `hyper`."""
        # Hashed under the keys of the first release, so that every bundle keeps its id.
        former = {name: key for key, name in self.former_names.items()}
        data = {former.get(key, key): value for key, value in self.model_dump(mode="json").items()}
        data.pop("hyper", None)
        if published := self.perception.published():  # their files are not among the bundle's
            data["published"] = published
        return f"{self.name}-{hashlib.sha256(_to_text(data).encode()).hexdigest()[:16]}"


def _is_object(data: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(data, dict)


def _to_text(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=2, sort_keys=True) + "\n"


def hash_file(path: Path) -> FileEntry:
    """Return size and digest of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(sha256=digest, bytes=path.stat().st_size)


def write_bundle(
    directory: str | Path,
    *,
    name: str,
    family: str,
    license: str,
    perception: PerceptionSpec,
    camera_prior: CameraPrior | None = None,
    hyper: str | None = None,
) -> BundleSpec:
    """Complete a folder of model files to a bundle: hash everything and write `model.json`.

    Args:
        directory: has the generator (`save_generator`) and the files that `perception` names.
        name: of the bundle.
        family: of the models.
        license: terms of the weights.
        perception: the models by name.
        camera_prior: where training cameras stood; FFHQ's by default.
        hyper: name of the hyper-network's file, if there is one.

    Returns:
        What was written.

    Raises:
        MissingModelError: the folder lacks the generator or a file that `perception` names.
    """
    directory = Path(directory)
    path = directory / MODEL_FILE
    part = None
    if path.exists():
        part = parse_object(path.read_bytes(), str(path), finite=True).get("generator")
    if part is None:
        raise MissingModelError(f"no generator in {directory}; write one with save_generator()")
    files = hash_files(directory)
    if hyper is not None and hyper not in files:
        raise MissingModelError(f"{directory} lacks {hyper}")
    apart = {} if hyper is None else {"hyper": {"file": hyper, **files.pop(hyper).model_dump()}}
    spec = BundleSpec.parse(
        {
            "name": name,
            "family": family,
            "license": license,
            "generator": part,
            "camera_prior": camera_prior or CameraPrior(),
            "perception": perception,
            "files": files,
            **apart,
        },
        source=str(path),
    )
    absent = [item for item in spec.named_paths() if not (directory / item).exists()]
    if absent:
        raise MissingModelError(f"{directory} lacks {', '.join(absent)}")
    path.write_text(spec.to_text())
    return spec


def hash_files(directory: Path) -> dict[str, FileEntry]:
    """Return size and digest of every file that a bundle of this folder lists."""
    files = [p for p in sorted(directory.rglob("*")) if p.is_file() and p.suffix != ".tmp"]
    return {
        str(p.relative_to(directory)): hash_file(p)
        for p in files
        if p.name != MODEL_FILE
        and p.suffix not in (".py", ".pyc", ".md")
        and p.relative_to(directory).parts[0] not in _APART
    }
