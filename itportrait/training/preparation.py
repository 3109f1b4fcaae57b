"""What a training begins with: warm models, and reference pictures aligned as portraits are."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from itportrait.align.config import AlignConfig
from itportrait.io import uris
from itportrait.training.domain_job import DomainJob

if TYPE_CHECKING:
    from itportrait.adapt import Reference
    from itportrait.bundle import Bundle


def prepare_job(job: DomainJob, device: str) -> "tuple[Bundle, list[Reference]]":
    """Return the models of a training on a device, and its reference pictures.

    Raises:
        ItportraitError: models or pictures do not fit.
    """
    from itportrait.bundle.warm import warm_bundle

    bundle = warm_bundle(job.bundle, device)
    return bundle, reference_images(job.spec.references, job.pictures, bundle, job.align)


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
        InvalidArgumentError: no face was found and the picture is not square.
    """
    from itportrait.adapt import Reference
    from itportrait.align import Aligner
    from itportrait.io.decoding import decode_photo
    from itportrait.records import Source, Status

    aligner = Aligner.of_bundle(align, bundle)
    found = []
    for uri, data in zip(references, pictures, strict=True):
        rows = aligner.align(Source(uri=uri, data=data))
        row = next((row for row in rows if row.status is Status.OK), None)
        if row is None or row.pixels is None:
            found.append(Reference(decode_photo(data), None, uris.redact(uri)))
        else:
            found.append(Reference(row.pixels, row.camera, uris.redact(uri)))
    return found
