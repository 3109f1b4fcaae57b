"""Let a bundle judge by published networks in place of its own."""

import shutil
from pathlib import Path
from typing import Any

from itportrait.bundle.bundle import load_bundle
from itportrait.bundle.places import MINI, SETTINGS_FILE
from itportrait.bundle.spec import BundleSpec
from itportrait.errors import InvalidArgumentError, OutputError
from itportrait.generator.io import MODEL_FILE
from itportrait.published.registry import PublishedModel
from itportrait.published.store import SCHEME, find_weights


def use_models(
    bundle: str, models: list[PublishedModel], output: str | Path | None = None
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
        InvalidArgumentError: the bundle cannot be changed where it is.
        OutputError: the folder cannot be written.
    """
    for model in models:
        find_weights(model.name)
    loaded = load_bundle(bundle)
    folder = Path(output) if output else loaded.directory
    if not output and (bundle == MINI or "://" in bundle):
        raise InvalidArgumentError(
            "--output", expected=f"a folder, since {bundle} cannot be changed", actual="nothing"
        )
    content: dict[str, Any] = loaded.spec.model_dump(mode="json")
    for model in models:
        content["perception"][f"{model.slot}_path"] = f"{SCHEME}{model.name}"
        if model.slot == "perceptual":
            content["perception"]["perceptual"] = "lpips_vgg"
    spec = BundleSpec.parse(content, source=str(folder / MODEL_FILE))
    try:
        if folder.resolve() != loaded.directory.resolve():
            loaded.verify()
            for name in (*loaded.spec.all_files(), SETTINGS_FILE):
                if (source := loaded.directory / name).is_file():
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, folder / name)
        temporary = folder / f"{MODEL_FILE}.tmp"
        temporary.write_text(spec.to_text())
        temporary.replace(folder / MODEL_FILE)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error}") from error
    return spec
