"""Download weights of image-text models from the hub that open_clip takes them from, when asked."""

import shutil

from itportrait.errors import MissingModelError
from itportrait.perception.clip_files import download_open_clip
from itportrait.published.imported import Imported, import_open_clip
from itportrait.published.registry import OpenClipModel
from itportrait.published.store import models_folder, place_of, state_of


def describe_hub(model: OpenClipModel) -> str:
    """Return, as a sentence, where the weights are and how this machine comes to have them."""
    return (
        f"no package has {model.name}: open_clip takes it (weights {model.tag!r}) from a model "
        f"hub, the file {model.file} of {model.repository}. `itportrait models get {model.name} "
        "--hub` downloads that, some 600 MB; a file that you have, of this or another training, "
        f"is taken with `itportrait import-open-clip FILE --model {model.name}`"
    )


def get_from_hub(model: OpenClipModel) -> Imported:
    """Download the weights by open_clip, then check and convert them as `import_open_clip` does.

    Raises:
        MissingModelError: the hub is out of reach, or lacks the file; says what to copy.
        CheckpointError: what came is not what open_clip builds by that name.
    """
    if state_of(model) == "present":
        return Imported(model, place_of(model), made=False, replaced=False)
    folder = models_folder() / "hub" / model.name  # kept by an interruption, and gone on with
    try:
        file = download_open_clip(model.architecture, model.tag, folder)
    except Exception as error:  # the hub's client raises what each of its parts does
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise MissingModelError(
            f"{model.name} cannot be downloaded ({reason}). On a machine that reaches the hub "
            f"get {model.file} of {model.repository}, copy it here, and run `itportrait "
            f"import-open-clip {model.file} --model {model.name}`"
        ) from None
    imported = import_open_clip(file, model.name)
    shutil.rmtree(folder, ignore_errors=True)
    return imported
