"""Write drawn people as unaligned photos, with the truth beside them.

A photo is a wider window on the image plane of its aligned crop's camera, so what the align stage
should recover is known exactly. `truth.parquet` has one row for each photo:

    uri        string          file name beside the table
    person     int32           number in `sample_people(count, seed)`
    camera     list<float>     [25] EG3D label of the aligned crop
    crop       list<float>     [3] left, top, side of the aligned crop, pixels of the photo
    landmarks  list<float>     [10] x, y of the five points, pixels of the photo
    latent     list<float>     [64] the person, see `itportrait.portraits.prior`
    attributes string          JSON of `itportrait.mini.captions.attributes`
    depth      binary          16-bit gray PNG of the photo's size; `decode_depth` reads its levels

Where something is before the faces, a mask lies beside each photo (`NAME.mask.png`), white where
the portrait is seen; the truth is of the portrait without it.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor

from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import look_at_camera, pack_camera, unpack_camera
from itportrait.image import encode
from itportrait.io.uris import join, put_bytes
from itportrait.mini.captions import attributes
from itportrait.mini.occluders import Occluder, cover
from itportrait.photos.masks import MASK_SUFFIX
from itportrait.portraits import ORBIT, Person, Portrait, render_portrait, sample_people
from itportrait.portraits.stored_depth import encode_depth

CROP_SHARE = (0.52, 0.85)
"""Range of the aligned crop's side, as a share of the photo's."""
YAW_MAX, PITCH_MAX = 0.5, 0.25
"""Largest angles of the cameras, in radians: five points do not give the pose beyond them."""
MIN_SIZE = 64
"""Smallest side of a photo, in pixels."""

_SCHEMA = pa.schema(
    [
        ("uri", pa.string()),
        ("person", pa.int32()),
        ("camera", pa.list_(pa.float32())),
        ("crop", pa.list_(pa.float32())),
        ("landmarks", pa.list_(pa.float32())),
        ("latent", pa.list_(pa.float32())),
        ("attributes", pa.string()),
        ("depth", pa.binary()),
    ]
)


@dataclass(frozen=True)
class Photo:
    """An unaligned photo and its truth.

    Attributes:
        portrait: pixels, alpha, depth and landmarks of the whole photo.
        camera: `[25]` EG3D label of the aligned crop.
        crop: left, top and side of the aligned crop, pixels of the photo.
    """

    portrait: Portrait
    camera: Tensor
    crop: tuple[float, float, float]


def draw_photo(person: Person, seed: int, size: int = 512) -> Photo:
    """Draw a person somewhere in a wider picture, as a photographer might.

    Args:
        person: the person.
        seed: seed of the camera and of the place and size of the face.
        size: pixels along each side, at least `MIN_SIZE`.

    Raises:
        InvalidArgumentError: `size` is too small.
    """
    if size < MIN_SIZE:
        raise InvalidArgumentError("size", expected=f"at least {MIN_SIZE} pixels", actual=size)
    rng = np.random.default_rng((seed, person.index))
    yaw = float(np.clip(rng.normal(0, 0.22), -YAW_MAX, YAW_MAX))
    pitch = float(np.clip(rng.normal(0, 0.10), -PITCH_MAX, PITCH_MAX))
    camera = look_at_camera(torch.tensor([yaw]), torch.tensor([pitch]), ORBIT)
    share = rng.uniform(*CROP_SHARE)
    x = rng.uniform(share / 2, 1 - share / 2)
    # never more than one crop's half below the crop: there the drawn torso ends
    y = rng.uniform(max(share / 2, 1 - share), 1 - share / 2)
    portrait = render_portrait(person, wide_camera(camera, share, x, y), size)
    crop = ((x - share / 2) * size, (y - share / 2) * size, share * size)
    return Photo(portrait, camera[0], crop)


def write_sample_portraits(
    out: str, count: int, seed: int, size: int = 512, *, covered: Occluder | None = None
) -> list[str]:
    """Write photos of sampled people and `truth.parquet` beside them.

    Args:
        out: folder or URI; files of the same names are replaced.
        count: number of photos, each of another person.
        seed: seed of people and photos; `HELD_OUT_SEED` gives people that no network has seen.
        size: pixels along each side.
        covered: what is before every face; a mask is then written beside each photo.

    Returns:
        The URIs of the photos.

    Raises:
        InvalidArgumentError: `count` is below 1, `size` too small, or no such occluder.
        OutputError: the folder cannot be written.
    """
    if count < 1:
        raise InvalidArgumentError("count", expected="at least 1", actual=count)
    rows = list(_write_photos(out, sample_people(count, seed), seed, size, covered))
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), sink, compression="zstd")
    put_bytes(join(out, "truth.parquet"), sink.getvalue())
    return [join(out, row["uri"]) for row in rows]


def _write_photos(
    out: str, people: list[Person], seed: int, size: int, covered: Occluder | None
) -> Iterator[dict]:
    for person in people:
        photo = draw_photo(person, seed, size)
        name, image = f"portrait-{person.index:05d}.png", photo.portrait.image
        if covered is not None:
            hidden = cover(photo.portrait, person, covered, seed)
            image = hidden.image
            put_bytes(join(out, name.removesuffix(".png") + MASK_SUFFIX), encode(hidden.mask))
        put_bytes(join(out, name), encode(image))
        yield {
            "uri": name,
            "person": person.index,
            "camera": photo.camera.tolist(),
            "crop": list(photo.crop),
            "landmarks": photo.portrait.landmarks.flatten().tolist(),
            "latent": person.latent.tolist(),
            "attributes": json.dumps(attributes(person)),
            "depth": _encode_depth_png(photo.portrait),
        }


def wide_camera(camera: Tensor, share: float, x: float, y: float) -> Tensor:
    """Return the camera of a photo whose window of side `share` about (x, y) is the crop."""
    cam2world, intrinsics = unpack_camera(camera)
    wide = intrinsics.clone()
    wide[:, 0, 0] = wide[:, 1, 1] = ORBIT.focal * share
    wide[:, 0, 2], wide[:, 1, 2] = x, y
    return pack_camera(cam2world, wide)


def _encode_depth_png(portrait: Portrait) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(encode_depth(portrait.depth, portrait.alpha)).save(buffer, format="PNG")
    return buffer.getvalue()
