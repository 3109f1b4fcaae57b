"""Cameras that inputs bring along, converted to the convention that the program works in."""

import dataclasses
from collections.abc import Iterable, Iterator

from itportrait.geometry.conventions import CameraConvention, to_eg3d
from itportrait.geometry.orbit import CAMERA_DIM
from itportrait.records import Source


def in_eg3d_convention(
    sources: Iterable[Source], convention: CameraConvention = "eg3d"
) -> Iterator[Source]:
    """Stream sources with their cameras converted.

    Whether a camera makes sense is for the align stage to say: it needs a row that says so.

    Args:
        sources: as they are listed.
        convention: of their cameras; `eg3d` changes nothing.
    """
    for source in sources:
        camera = source.camera
        if camera is None or convention == "eg3d" or camera.size != CAMERA_DIM:
            yield source
        else:
            yield dataclasses.replace(source, camera=to_eg3d(camera, convention))
