"""The id of a bundle's models, from its `model.json` alone: no other file of it is fetched."""

from typing import TYPE_CHECKING

import itportrait
from itportrait.bundle.places import MODEL_FILE, bundle_folder, no_bundle
from itportrait.cache import cache_folder
from itportrait.config import fingerprint
from itportrait.documents import MOST_BYTES, parse_object
from itportrait.io import uris

if TYPE_CHECKING:
    from itportrait.bundle.spec import BundleSpec

_FOLDER = "model-ids"


def bundle_key(bundle: str) -> str | None:
    """Return a digest of a bundle's `model.json`, or None where it cannot be read."""
    try:
        data = uris.read_bytes(uris.join(bundle_folder(bundle), MODEL_FILE))
    except OSError:
        return None
    return fingerprint(bundle, itportrait.__version__, data)


def read_model_id(bundle: str) -> str:
    """Return the id of a bundle's models; see `read_spec`."""
    return read_spec(bundle).model_id


def read_spec(bundle: str) -> "BundleSpec":
    """Return what a bundle holds, as its `model.json` says.

    Args:
        bundle: name, folder or URI of the bundle.

    Raises:
        MissingModelError: there is no such bundle.
        InvalidArgumentError: its `model.json` is not valid; names the keys.
    """
    from itportrait.bundle.spec import BundleSpec

    folder = bundle_folder(bundle)
    try:
        text = uris.read_bytes(uris.join(folder, MODEL_FILE), most=MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise no_bundle(folder) from None
    source = f"{uris.redact(bundle)}/{MODEL_FILE}"
    return BundleSpec.parse(parse_object(text, source, finite=True), source=source)


def remembered_model_id(bundle: str) -> str:
    """Return the id of a bundle's models as it was read once on this machine, or read it now.

    To read it takes the import of torch, which is too long while somebody types. Of a program that
    was changed since under the same version it may be a former one.

    Raises:
        MissingModelError: there is no such bundle.
        InvalidArgumentError: its `model.json` is not valid; names the keys.
    """
    key = bundle_key(bundle)
    if key is None:
        return read_model_id(bundle)
    place = str(cache_folder() / _FOLDER / key)
    try:
        return uris.read_bytes(place).decode()
    except FileNotFoundError:
        found = read_model_id(bundle)
        uris.put_bytes(place, found.encode())
        return found
