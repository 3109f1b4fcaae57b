"""Whether faces are found, framed and shaped right: detector, aligner, depth."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from itportrait.bundle import Bundle
from itportrait.geometry.camera import camera_angles, unpack_camera
from itportrait.image import encode, resize, to_uint8
from itportrait.mini.samples import Photo, draw_photo
from itportrait.perception.detector import FaceDetector
from itportrait.portraits import Person
from itportrait.pretrain.networks.generator import face_weight, truth
from itportrait.pretrain.training.data import PortraitData
from itportrait.records import AlignedRecord, Source, Status

CONFIDENCE = 0.95
"""Least confidence of a face that counts as found."""
DETECTION_SIZE = 256
"""Side in pixels to which pictures are enlarged, because the detector is made for larger faces."""
DRAWN_YAW_DEG = 40.0
"""Largest yaw of the drawn portraits that are counted, in degrees."""
FACE_WEIGHT = 1.0
"""Least `face_weight` of the pixels of the face's region; it is 1 on average."""
HEAD_DEPTH = 0.557
"""Distance from the nose's tip to the back of a drawn head without hair, in world units."""

Align = Callable[[Source], list[AlignedRecord]]
"""The align stage, which the workflow passes in: this package does not import stages."""


def measure_detector(
    bundle: Bundle, photos: PortraitData, *, samples: int = 96, seed: int = 0
) -> dict[str, float]:
    """Return the shares of drawn portraits and of the generator's samples whose face is found.

    Args:
        bundle: bundle with the detector, the generator and the prior of the samples' cameras.
        photos: drawn portraits; those turned further than `DRAWN_YAW_DEG` are left out.
        samples: number of the generator's samples.
        seed: seed of the samples.
    """
    near = camera_angles(photos.camera)[0].abs() <= np.radians(DRAWN_YAW_DEG)
    rng = torch.Generator().manual_seed(seed)
    camera = bundle.camera_prior.sample(samples, rng)
    z = torch.randn(samples, bundle.generator.z_dim, generator=rng)
    drawn = (photos.floats(rows) for rows in near.nonzero().flatten().split(32))
    made = (_samples(bundle, *part) for part in zip(z.split(16), camera.split(16), strict=True))
    return {
        "detector_drawn": _share_found(bundle.detector, drawn),
        "detector_samples": _share_found(bundle.detector, made),
    }


@torch.no_grad()
def _samples(bundle: Bundle, z: Tensor, camera: Tensor) -> Tensor:
    return bundle.generator.synthesize(bundle.generator.mapping(z, camera), camera).final_image


def _share_found(detector: FaceDetector, batches) -> float:
    best = [
        max((face.confidence for face in detector.detect(pixels)), default=0.0)
        for batch in batches
        for pixels in to_uint8(resize(batch, DETECTION_SIZE))
    ]
    return float(np.mean([confidence >= CONFIDENCE for confidence in best]))


def measure_aligner(
    align: Align, people: Sequence[Person], *, size: int = 384, seed: int = 0
) -> dict[str, float]:
    """Compare the aligner's camera and crop with those that photos were drawn with.

    Args:
        align: the align stage, configured for the family's crop.
        people: people, each drawn in one photo and turned by no more than `samples.YAW_MAX`.
        size: side of the photos, in pixels.
        seed: seed of their cameras.

    Returns:
        Medians over photos: `aligner_angle_deg` between the cameras' rotations; `aligner_yaw_deg`,
        `aligner_pitch_deg` between the places where they stand; `aligner_shift` between the crops'
        middles, as a share of the true side; `aligner_given_deg`: the angle where the true
        landmarks are given, which leaves the detector out. `aligner_failed`: share of photos
        without a crop.
    """
    errors = []
    for person in people:
        photo = draw_photo(person, seed, size)
        source = Source(uri=f"{person.index}.png", data=encode(photo.portrait.image))
        # Landmarks of drawn portraits count from the corner of a pixel, those of photos from its
        # middle.
        given = replace(source, landmarks=photo.portrait.landmarks - 0.5)
        found, from_truth = align(source)[0], align(given)[0]
        if found.status is Status.OK and from_truth.status is Status.OK:
            errors.append(_alignment_errors(photo, found, from_truth))
    figures = {"aligner_failed": 1 - len(errors) / len(people)}
    if errors:
        figures |= {name: float(np.median([row[name] for row in errors])) for name in errors[0]}
    return figures


def _alignment_errors(
    photo: Photo, found: AlignedRecord, from_truth: AlignedRecord
) -> dict[str, float]:
    camera = torch.as_tensor(found.camera)
    yaw, pitch = camera_angles(torch.stack([photo.camera, camera]))
    return {
        "aligner_angle_deg": rotation_angle_deg(photo.camera, camera),
        "aligner_yaw_deg": float(torch.rad2deg(yaw.diff().abs())),
        "aligner_pitch_deg": float(torch.rad2deg(pitch.diff().abs())),
        "aligner_shift": crop_shift(photo, found),
        "aligner_given_deg": rotation_angle_deg(photo.camera, torch.as_tensor(from_truth.camera)),
    }


def rotation_angle_deg(camera: Tensor, other: Tensor) -> float:
    """Return the angle of the rotation from one camera `[25]` to another, in degrees."""
    first, second = (unpack_camera(item.reshape(1, 25))[0][0, :3, :3] for item in (camera, other))
    cosine = ((first.T @ second).trace() - 1) / 2
    return float(torch.rad2deg(torch.arccos(cosine.double().clamp(-1, 1))))


def crop_shift(photo: Photo, row: AlignedRecord) -> float:
    """Return the distance between the middles of the true and the found crop, over its side."""
    (left, top, side), found = photo.crop, row.crop
    assert found is not None
    middle = np.array([left, top]) + side / 2
    return float(np.linalg.norm(found[:2] + found[2] / 2 - middle) / side)


@torch.no_grad()
def measure_depth(bundle: Bundle, photos: PortraitData, *, batch: int = 16) -> dict[str, float]:
    """Compare renders' depth with the truth in the region of the face.

    Args:
        bundle: bundle with the generator.
        photos: drawn portraits of known latent, with geometry.
        batch: number of portraits rendered at once.

    Returns:
        `face_depth_error`: median over pixels of the absolute error, as a share of `HEAD_DEPTH`.
    """
    errors = []
    for part in torch.arange(len(photos)).split(batch):
        camera = photos.camera[part]
        ws = bundle.generator.mapping(photos.latent[part], camera[:1])
        depth = bundle.generator.synthesize(ws, camera).image_depth
        rays = depth.shape[-1]
        target = truth(photos, part, rays, depth.device)
        region = (target["solid"] > 0) & (face_weight(camera, rays) >= FACE_WEIGHT)
        errors.append((depth - target["depth"])[region].abs())
    return {"face_depth_error": float(torch.cat(errors).median()) / HEAD_DEPTH}
