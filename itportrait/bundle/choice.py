"""Let a bundle judge by published networks in place of its own."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from itportrait.bundle.bundle import Bundle, load_bundle
from itportrait.bundle.places import MINI, SETTINGS_FILE, bundle_folder
from itportrait.bundle.spec import BundleSpec
from itportrait.documents import MOST_BYTES
from itportrait.errors import InvalidArgumentError, OutputError
from itportrait.generator.io import MODEL_FILE
from itportrait.io import uris
from itportrait.published.registry import QUICK, OpenClipModel, PublishedModel
from itportrait.published.store import SCHEME, find_weights

logger = logging.getLogger(__name__)


def use_models(
    bundle: str, models: Sequence[PublishedModel], output: str | Path | None = None
) -> BundleSpec:
    """Write a bundle that names published networks, which this machine must have.

    Its `model_id` is another one, since losses and measures are: styles and outputs of the former
    models stay with those.

    Args:
        bundle: name, folder or URI of the bundle to start from.
        models: networks to be used, each in its slot.
        output: folder of the new bundle; None changes the bundle's own folder.

    Raises:
        MissingModelError: there is no such bundle, or this machine lacks a network.
        InvalidArgumentError: the bundle cannot be changed where it is, the folder has another, or
            a network is not one that bundles name.
        OutputError: the folder cannot be written.
    """
    for model in models:
        if model.slot in ("landmarks", "irises"):
            raise InvalidArgumentError(
                "a network for a bundle",
                expected="one of identity, perceptual distance, or pictures and texts",
                actual=f"{model.name}, which is used by {model.used_by}",
            )
        find_weights(model.name)
    loaded = load_bundle(bundle)
    folder = Path(output) if output else loaded.directory
    if not output and (bundle == MINI or "://" in bundle):
        raise InvalidArgumentError(
            "--output", expected=f"a folder, since {bundle} cannot be changed", actual="nothing"
        )
    is_copy = folder.resolve() != loaded.directory.resolve()
    if is_copy and (folder / MODEL_FILE).exists():
        raise InvalidArgumentError(
            "--output",
            expected="a folder without a bundle",
            actual=f"{folder}, which has a {MODEL_FILE}",
            remedy=f"name another folder, or change that bundle itself with --bundle {folder}",
        )
    uris.check_place(str(folder), "--output")
    content: dict[str, Any] = loaded.spec.model_dump(mode="json")
    perception = content["perception"]
    for model in models:
        if isinstance(model, OpenClipModel):
            perception["clips"] = _with_clip(perception["clips"], model)
            continue
        perception[f"{model.slot}_path"] = f"{SCHEME}{model.name}"
        if model.slot == "perceptual":
            perception["perceptual"] = "lpips_vgg"
    spec = BundleSpec.parse(content, source=str(folder / MODEL_FILE))
    try:
        if is_copy:
            _copy_files(loaded, bundle, folder)
        temporary = folder / f"{MODEL_FILE}.tmp"
        temporary.write_text(spec.to_text())
        temporary.replace(folder / MODEL_FILE)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error}") from error
    return spec


def _with_clip(clips: list[dict[str, Any]], model: OpenClipModel) -> list[dict[str, Any]]:
    """Return image-text models with one more, in place of the one that it is a kind of.

    It takes the place, and the weight, of the model of the same tower; embedded ones give way.
    """
    from itportrait.published.imported import values_of

    tower = model.tower
    entry = {"kind": "open_clip", "name": model.architecture, "path": f"{SCHEME}{model.name}"}
    entry["values"] = values_of(model)
    kept = [clip for clip in clips if clip["kind"] != "mini"]
    for index, clip in enumerate(kept):
        if clip["name"] in (tower, f"{tower}{QUICK}"):
            weight = {key: clip[key] for key in ("weight",) if key in clip}
            return [*kept[:index], entry | weight, *kept[index + 1 :]]
    return [*kept, entry]


def cautions_for(bundle: str, models: Sequence[PublishedModel]) -> list[str]:
    """Return what somebody should know who lets a bundle judge by other networks, as sentences.

    Args:
        bundle: name, folder or URI of the bundle that was started from.
        models: networks that are used in place of its own.

    Raises:
        OSError: its settings cannot be read.
    """
    told = [
        "Domains adapted with the former networks, those that came ready-made with the bundle too, "
        "do not fit this one: adapt them anew with it."
    ]
    settings = _read_settings(bundle) or b""
    if b"encoder_camera_distance" in settings and any(m.slot == "perceptual" for m in models):
        told.append(
            f"align.encoder_camera_distance in {SETTINGS_FILE} was found with the former "
            "perceptual network, and this one has another scale; find it anew, or set it to 0."
        )
    return told


def _copy_files(loaded: Bundle, bundle: str, folder: Path) -> None:
    """Copy all files of a bundle but `model.json`, without which the folder is none."""
    loaded.verify()
    for name in loaded.spec.all_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(loaded.directory / name, folder / name)
    settings = _read_settings(bundle)
    if settings is not None:
        (folder / SETTINGS_FILE).write_bytes(settings)


def _read_settings(bundle: str) -> bytes | None:
    """Return `settings.yaml` from where the bundle is: a fetched copy of one is without it."""
    try:
        return uris.read_bytes(uris.join(bundle_folder(bundle), SETTINGS_FILE), most=MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        if uris.is_local(bundle):
            raise
        # Where a bucket may not be listed, S3 refuses a file that is absent, too.
        logger.warning("%s of %s is refused, taken for absent", SETTINGS_FILE, uris.redact(bundle))
        return None
