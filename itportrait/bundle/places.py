"""Where the files of a bundle lie; to know it, nothing of torch is imported."""

from pathlib import Path

import itportrait
from itportrait.errors import MissingModelError
from itportrait.io import uris

MINI = "mini"
"""Name of the bundle that is embedded in the package."""
MODEL_FILE = "model.json"
"""What a bundle is made of: without it, a folder is none."""
SETTINGS_FILE = "settings.yaml"
"""Settings that fit the family, which jobs lay under their own, see `itportrait.configuration`; not
among the files that `model_id` comes from."""


def bundle_folder(bundle: str) -> str:
    """Return the folder or URI of a bundle; `mini` is inside the package."""
    return str(Path(itportrait.__file__).parent / "mini" / "weights") if bundle == MINI else bundle


def no_bundle(place: str) -> MissingModelError:
    """Return the error of a folder or URI that has no bundle."""
    shown = uris.redact(place)
    return MissingModelError(
        f"no model bundle at {shown!r}: {MODEL_FILE} is absent; "
        + (
            "remake the embedded family with `make pretrain`, or reinstall the package"
            if place == bundle_folder(MINI)
            else f"make one with `itportrait import-eg3d FILE.pkl --output {shown}`, or take "
            f"`{MINI}`, which comes with the package"
        )
    )


def absolute_bundle(bundle: str) -> str:
    """Return a bundle with a relative local path made absolute; `mini` is a name, and no path."""
    return bundle if bundle == MINI else uris.absolute(bundle)
