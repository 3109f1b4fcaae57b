"""What a training begins with: warm models, and reference pictures aligned as portraits are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from itportrait.align.config import AlignConfig
from itportrait.errors import DecodeError, InvalidArgumentError, NoInputError
from itportrait.io import uris
from itportrait.training.domain_job import DomainJob

if TYPE_CHECKING:
    from itportrait.adapt import Reference
    from itportrait.align import Aligner
    from itportrait.bundle import Bundle
    from itportrait.picture_sets import PictureSet


@dataclass(frozen=True)
class Prepared:
    """What a training works with.

    Args:
        bundle: models on the training's device.
        references: aligned reference pictures.
        pictures: the set that guides it, or None.
    """

    bundle: "Bundle"
    references: "list[Reference]"
    pictures: "PictureSet | None"


def prepare_job(job: DomainJob, device: str) -> Prepared:
    """Return the models of a training on a device, and its pictures.

    Raises:
        ItportraitError: models or pictures do not fit.
    """
    from itportrait.bundle.warm import warm_bundle

    bundle = warm_bundle(job.bundle, device)
    references = reference_images(job.spec.references, job.pictures, bundle, job.align)
    return Prepared(bundle, references, _open_set(job, bundle))


def _open_set(job: DomainJob, bundle: "Bundle") -> "PictureSet | None":
    """Open the set of a domain, which must be the one that its fingerprint is of.

    Raises:
        NoInputError: it is not there any more.
        InvalidArgumentError: it has changed since the job was made.
    """
    from itportrait.adapt.references import open_set

    pictures = open_set(job.spec, bundle.generator.image_resolution)
    if pictures is not None and job.set_digest and pictures.digest != job.set_digest:
        raise InvalidArgumentError(
            f"pictures of domain {job.spec.name!r}",
            expected=f"the set {job.set_digest} that the job began with",
            actual=f"{pictures.digest} in {uris.redact(job.spec.pictures or '')}",
            remedy="start the job again when the table is complete",
        )
    return pictures


def reference_images(
    references: Sequence[str], pictures: Sequence[bytes], bundle: "Bundle", align: AlignConfig
) -> "list[Reference]":
    """Return reference pictures aligned as portraits are, each with its camera.

    Args:
        references: where they came from.
        pictures: their contents, from `read_references`.
        bundle: whose portraits they are to be like.
        align: how they are aligned.

    A picture in which no face is found (a drawing far from a photo) is taken as aligned already
    if it is square; its camera is then estimated by the adaptation.

    Raises:
        DecodeError: one is not a picture.
        NoInputError: no face was found and the picture is not square.
    """
    from itportrait.align import Aligner

    aligner = Aligner.of_bundle(align, bundle)
    return [
        _align_reference(aligner, uri, data) for uri, data in zip(references, pictures, strict=True)
    ]


def _align_reference(aligner: "Aligner", uri: str, data: bytes) -> "Reference":
    from itportrait.adapt import Reference
    from itportrait.photos.decoding import decode_photo
    from itportrait.records import Source, Status

    rows, name = aligner.align(Source(uri=uri, data=data)), uris.redact(uri)
    for row in rows:
        if row.status is Status.OK and row.pixels is not None:
            return Reference(row.pixels, row.camera, name)
    try:
        pixels = decode_photo(data)
    except DecodeError as error:
        raise DecodeError(f"reference {name}: {error}") from None
    height, width = pixels.shape[:2]
    if height != width:
        reasons = "; ".join(f"{row.error.type}: {row.error.message}" for row in rows if row.error)
        raise NoInputError(
            f"no face found in {name} ({reasons}); take a picture in which the face is larger and "
            "seen from the front, or crop this one by hand to a square around the head, as "
            "portraits are aligned: a square picture is taken as it is, and this one has "
            f"{width} x {height} pixels"
        )
    return Reference(pixels, None, name)
