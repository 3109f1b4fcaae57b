"""`load_bundle`: models by name, path or URI; each is loaded, and checked, when first asked for."""

import hashlib
import uuid
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypeVar, cast

import torch
from torch import nn

from itportrait.bundle.devices import torch_device
from itportrait.bundle.places import MINI, bundle_folder, no_bundle
from itportrait.bundle.spec import BundleSpec, CameraPrior, ClipSpec, FileEntry
from itportrait.cache import cache_folder
from itportrait.documents import MOST_BYTES, parse_object
from itportrait.errors import InvalidArgumentError, MissingModelError
from itportrait.generator import Generator, load_generator
from itportrait.generator.io import MODEL_FILE
from itportrait.generator.precision import Precision, PrecisionName
from itportrait.geometry.orbit import Orbit
from itportrait.io import uris
from itportrait.io.names import resolve_local, resolve_under
from itportrait.published.store import SCHEME, is_published
from itportrait.published.store import resolve as find_published

# Perception models bring open_clip and torchvision, seconds of import: on first use only.
if TYPE_CHECKING:
    from itportrait.perception.clip import ImageTextModel
    from itportrait.perception.detector import FaceDetector
    from itportrait.perception.encoder import EncoderModel
    from itportrait.perception.hyper import HyperNetwork
    from itportrait.perception.identity import IdentityModel
    from itportrait.perception.perceptual import LpipsModel, PerceptualModel

Model = TypeVar("Model", bound=nn.Module)


class Bundle:
    """A generator and its perception models, on one device.

    Args:
        spec: what the folder holds.
        directory: a local folder with the files of `spec`.
        device: where models are put when they are loaded.
        precision: what the generator shall compute with, `fp32` or `fast`.
    """

    def __init__(
        self,
        spec: BundleSpec,
        directory: str | Path,
        device: torch.device | str = "cpu",
        precision: PrecisionName = "fp32",
    ) -> None:
        self.spec, self.directory, self.device = spec, Path(directory), torch.device(device)
        self.asked_precision: PrecisionName = precision
        self.name, self.family, self.model_id = spec.name, spec.family, spec.model_id

    def __repr__(self) -> str:
        return f"Bundle({self.model_id}, {self.directory}, {self.device})"

    @property
    def camera_prior(self) -> CameraPrior:
        """Distribution of the cameras that the generator was trained with."""
        return self.spec.camera_prior

    @property
    def orbit(self) -> Orbit:
        """Where the family's cameras stand and look."""
        return self.spec.camera_prior.orbit

    @cached_property
    def generator(self) -> Generator:
        """The generator, in evaluation mode."""
        self._verify(self.spec.generator.file)
        generator = self._place(load_generator(self.directory))
        generator.compute_in(self.asked_precision)
        return generator

    @property
    def precision(self) -> Precision:
        """What the generator really computes with on this device."""
        return self.generator.precision

    @cached_property
    def clips(self) -> "list[ImageTextModel]":
        """The image-text models; at least one."""
        return [self._place(self._load_clip(item)) for item in self.spec.perception.clips]

    @property
    def clip_weights(self) -> list[float]:
        """The weight with which each of `clips` guides an adaptation."""
        return [item.weight for item in self.spec.perception.clips]

    @cached_property
    def perceptual(self) -> "PerceptualModel | LpipsModel":
        """The perceptual distance."""
        from itportrait.perception.perceptual import PerceptualModel, load_lpips

        path = self._find(self.spec.perception.perceptual_path)
        if self.spec.perception.perceptual == "lpips_vgg":
            return self._place(load_lpips(path))
        if path is None:
            raise self._missing("perceptual network", "perceptual_path")
        return self._place(PerceptualModel.load(path))

    @cached_property
    def identity(self) -> "IdentityModel":
        """The identity network."""
        from itportrait.perception.identity import load_identity

        path = self._find(self.spec.perception.identity_path)
        if path is None:
            raise self._missing("identity network", "identity_path")
        return self._place(load_identity(path))

    @cached_property
    def encoder(self) -> "EncoderModel | None":
        """The encoder from pictures to codes; None where the family has none."""
        from itportrait.perception.encoder import EncoderModel

        path = self._find(self.spec.perception.encoder_path)
        return None if path is None else self._place(EncoderModel.load(path))

    @cached_property
    def hyper(self) -> "HyperNetwork | None":
        """The network of the inversion method `hyper`; None where the family has none."""
        from itportrait.perception.hyper import HyperNetwork

        part = self.spec.hyper
        if part is None:
            return None
        self._verify(part.file)
        return self._place(HyperNetwork.load(resolve_local(self.directory, part.file)))

    @cached_property
    def detector(self) -> "FaceDetector":
        """The face detector."""
        from itportrait.perception.detector import FaceDetector

        return self._place(FaceDetector())

    def to(self, device: torch.device | str) -> Self:
        """Return the bundle on a device; models that are loaded already move there.

        Raises:
            InvalidArgumentError: this machine has no such device.
        """
        target = torch_device(device)
        if target == self.device:
            return self
        self.device = target
        for value in vars(self).values():
            models = cast(list[Any], value) if isinstance(value, list) else [value]
            for model in models:
                if isinstance(model, nn.Module):
                    model.to(target)
                if isinstance(model, Generator):
                    model.compute_in(self.asked_precision)
        return self

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of a prompt that one of the image-text models has never seen.

        Vocabularies alone are read, no weights; those of large models are open.

        Raises:
            MissingModelError: a file of such a model is absent or altered.
            CheckpointError: a vocabulary is malformed.
        """
        from itportrait.perception.clip_files import read_vocabulary
        from itportrait.perception.words import unknown_words

        found: dict[str, None] = {}
        for item in self.spec.perception.clips:
            folder = self._find(item.path)
            if item.kind == "mini" and folder is not None:
                words, _ = read_vocabulary(folder / "vocabulary.json")
                found |= dict.fromkeys(unknown_words(text, words))
        return list(found)

    def verify(self) -> None:
        """Check every file against its digest.

        Raises:
            MissingModelError: a file is absent or altered.
        """
        for name in self.spec.all_files():
            self._verify(name)

    def _load_clip(self, item: ClipSpec) -> "ImageTextModel":
        from itportrait.perception.clip import ImageTextModel

        if is_published(item.path):
            from itportrait.published.imported import find_imported

            path = find_imported(item.path.removeprefix(SCHEME), item.values or "")
            return ImageTextModel.load(item.name, path)
        path = self._find(item.path)
        if item.kind == "mini":
            if path is None:
                raise self._missing("image-text model", "clips.path")
            return ImageTextModel.load_mini(path)
        return ImageTextModel.load(item.name, path)

    def _find(self, name: str | None) -> Path | None:
        """Return the path of a file or folder, verified where we know what it must be."""
        if name is None:
            return None
        if (published := find_published(name)) is not None:
            return published
        if Path(name).is_absolute():
            return Path(name)
        if name == ".":
            return self.directory
        for file in self.spec.files:
            if file == name or file.startswith(f"{name}/"):
                self._verify(file)
        return resolve_local(self.directory, name, what="a path in the bundle")

    def _verify(self, name: str) -> None:
        path = resolve_local(self.directory, name, what="a file of the bundle")
        entry = self.spec.all_files().get(name)
        if not path.is_file():
            raise MissingModelError(f"{path} is absent; {self._remedy()}")
        if entry is not None and not entry.fits(path):
            raise MissingModelError(
                f"{path} is altered: its sha256 is not that of {MODEL_FILE}; {self._remedy()}"
            )

    def _missing(self, what: str, key: str) -> MissingModelError:
        return MissingModelError(
            f"bundle {self.name!r} names no {what}; set perception.{key} in "
            f"{self.directory / MODEL_FILE}; {self._remedy()}"
        )

    def _remedy(self) -> str:
        if self.family == MINI:
            return "remake the embedded family with `make pretrain`, or reinstall the package"
        return (
            "import the generator with `itportrait import-eg3d FILE.pkl --output "
            f"{self.directory}`, and see README for the perception models"
        )

    def _place(self, model: Model) -> Model:
        return model.to(self.device).eval().requires_grad_(False)


def load_bundle(
    uri: str | Path = MINI,
    device: torch.device | str = "cpu",
    precision: PrecisionName = "fp32",
) -> Bundle:
    """Open a model bundle; nothing is loaded before it is asked for, nothing downloaded unasked.

    Args:
        uri: `mini` (embedded in the package), a folder, or a URI of one (`s3://...`). A remote
            bundle is copied once into the cache folder (`ITPORTRAIT_CACHE`), file by file verified.
        device: where models are put.
        precision: what the generator computes with. `fp32` agrees with the references; `fast` is
            half precision where it is safe and the device has units for it.

    Returns:
        The bundle.

    Raises:
        MissingModelError: no bundle there, or a file of it is absent or altered; names the remedy.
        InvalidArgumentError: `model.json` is not valid; names the keys.
    """
    uri = str(uri)
    if uri == MINI:
        return _open(Path(bundle_folder(uri)), uri, device, precision)
    directory = Path(uri.removeprefix("file://")) if uris.is_local(uri) else _fetch(uri)
    return _open(directory, uri, device, precision)


def _open(
    directory: Path, uri: str, device: torch.device | str, precision: PrecisionName
) -> Bundle:
    path = resolve_local(directory, MODEL_FILE)
    if not path.is_file():
        raise no_bundle(str(directory))
    text = uris.read_bytes(str(path), most=MOST_BYTES + 1)
    return Bundle(_parse(text, uri), directory, precision=precision).to(device)


def _parse(text: bytes, uri: str) -> BundleSpec:
    source = f"{uri}/{MODEL_FILE}"
    return BundleSpec.parse(parse_object(text, source, finite=True), source=source)


def _fetch(uri: str) -> Path:
    """Copy a remote bundle into the cache, each file whole and verified or not at all."""
    shown = uris.redact(uri)
    try:
        text = uris.read_bytes(uris.join(uri, MODEL_FILE), most=MOST_BYTES + 1)
    except FileNotFoundError:
        raise no_bundle(uri) from None
    spec = _parse(text, shown)
    for place in spec.named_paths():
        if Path(place).is_absolute():
            raise InvalidArgumentError(
                f"{shown}/{MODEL_FILE}",
                expected="paths inside the bundle",
                actual=repr(place),
                remedy="copy the bundle into a folder of this machine to name files outside of it",
            )
    key = hashlib.sha256(uri.encode() + b"\0" + text).hexdigest()[:16]
    directory = cache_folder() / "bundles" / key
    directory.mkdir(parents=True, exist_ok=True)
    for name, entry in spec.all_files().items():
        target = resolve_local(directory, name, what="a file of the bundle")
        if not (target.is_file() and entry.fits(target)):
            _fetch_file(resolve_under(uri, name), target, entry)
    _put_whole(directory / MODEL_FILE, lambda sink: sink.write(text))
    return directory


def _fetch_file(uri: str, target: Path, entry: FileEntry) -> None:
    shown = uris.redact(uri)
    target.parent.mkdir(parents=True, exist_ok=True)

    def copy(sink: BinaryIO) -> None:
        digest, size = hashlib.sha256(), 0
        fs, path = uris.open_fs(uri)
        opened = fs.open(path, "rb")  # pyright: ignore[reportUnknownMemberType]
        with cast(BinaryIO, opened) as source:
            while size <= entry.bytes and (block := source.read(1 << 20)):
                digest.update(block)
                size += len(block)
                sink.write(block)
        if (size, digest.hexdigest()) != (entry.bytes, entry.sha256):
            raise MissingModelError(
                f"{shown} is altered: its size or sha256 is not that of {MODEL_FILE}"
            )

    try:
        _put_whole(target, copy)
    except (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError):
        raise MissingModelError(f"{shown} is absent, or no file") from None


def _put_whole(target: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file whole or not at all, whoever else is writing it at the same time."""
    temporary = target.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as sink:
            write(sink)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
