"""From a source to aligned records: read, decode, find the face, crop, and estimate the camera."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Self

import numpy as np
import torch

from itportrait.align.config import AlignConfig, Reason
from itportrait.align.crop import TRAINED, CropPlan, cut, plan_crop, plan_given
from itportrait.align.dense import DenseCamera
from itportrait.align.encoder_camera import EncoderCamera
from itportrait.align.mask import cut_mask, hidden_share
from itportrait.align.pose import estimate_pose, label_from_pose
from itportrait.align.quality import covered, sharpness
from itportrait.bundle import Bundle
from itportrait.errors import DecodeError, InvalidArgumentError, RecordRejectedError
from itportrait.geometry.camera import camera_angles
from itportrait.geometry.conventions import camera_fault
from itportrait.geometry.orbit import FFHQ_ORBIT, Orbit
from itportrait.io.uris import redact
from itportrait.perception.detector import Face, FaceDetector
from itportrait.photos.files import Photo, read_photo
from itportrait.photos.masks import check_aspect, mask_hint, read_mask
from itportrait.records import (
    AlignedRecord,
    RecordError,
    Source,
    Status,
    content_id,
    given_digest,
    unread_id,
)

STAGE = "align"
FACE_OF_CROP = 0.61
"""Mean side of a detected face box over the crop's side, used where no box is known."""

_YAW_ROUNDING_DEG = 1e-3
"""Tolerance of the yaw, in degrees: a profile at exactly 90 is 90.0000025 in single precision."""


class Aligner:
    """Turn sources into aligned records, good or bad.

    Args:
        config: sizes and thresholds.
        detector: finds faces; not asked where the source brings a crop and a camera along.
        encoder_camera: reads cameras that it confirms; without it they come from the five points.
        dense_camera: estimates cameras from dense points and the five; without it they come from
            the five alone.
        orbit: of the generator's family: estimated cameras stand on it, and those that come with a
            source are held against it.
        ray_range: returns the depths between which the generator samples rays
            (`Generator.ray_range`): a given camera from which a head lies outside of them is
            rejected. It is asked where a source brings a camera, since it may load the generator.
    """

    def __init__(
        self,
        config: AlignConfig,
        detector: FaceDetector,
        encoder_camera: EncoderCamera | None = None,
        dense_camera: DenseCamera | None = None,
        orbit: Orbit = FFHQ_ORBIT,
        ray_range: Callable[[], tuple[float, float] | None] = lambda: None,
    ) -> None:
        self.config, self.detector, self.encoder_camera = config, detector, encoder_camera
        self.dense_camera, self.orbit, self.ray_range = dense_camera, orbit, ray_range

    @classmethod
    def of_bundle(cls, config: AlignConfig, bundle: Bundle) -> Self:
        """Return the aligner on a bundle's detector, and other networks where `config` asks for
        them.

        Raises:
            MissingModelError: the encoder is asked for and the bundle has none, or dense points and
                this machine lacks their network.
        """
        limit = config.encoder_camera_distance
        encoder_camera = EncoderCamera(bundle, limit) if limit else None
        dense = DenseCamera.load(config.dense_face) if config.camera_points == "dense" else None

        def ray_range() -> tuple[float, float] | None:
            return bundle.generator.ray_range

        return cls(config, bundle.detector, encoder_camera, dense, bundle.orbit, ray_range)

    def align(self, source: Source, *, raise_storage_errors: bool = False) -> list[AlignedRecord]:
        """Return one record, or with `faces: all` one per face; bad data gives rows, not errors.

        Args:
            source: the photo, and what it brings along.
            raise_storage_errors: let connection and I/O errors, and a lack of memory for the photo,
                through for the caller to try again, instead of a row `failed: storage`. A missing
                file is a row in any case.

        Returns:
            At least one record; `rejected` with a `Reason`, or `failed`, where it is not ok.
        """
        start = time.perf_counter()
        blank = AlignedRecord(record_id=unread_id(source), uri=redact(source.uri))
        if source.fault is not None:
            return [dataclasses.replace(blank, status=Status.FAILED, error=source.fault)]
        try:
            photo = self._read(source)
        except _ReadingError as failure:
            passing = isinstance(failure.cause, OSError) and not isinstance(
                failure.cause, FileNotFoundError | PermissionError | IsADirectoryError
            )
            passing = passing or isinstance(failure.cause, MemoryError)
            if raise_storage_errors and passing and failure.cause is not None:
                raise failure.cause from None
            record = _fail(blank, failure.reason, str(failure))
            return [_timed(record, start)]
        blank = dataclasses.replace(
            blank,
            record_id=_content_id(source, photo),
            sha256=photo.sha256,
            mask_sha256=photo.mask and photo.mask.sha256,
            width=photo.width,
            height=photo.height,
            color_note=photo.colors.note,
            outside_srgb=photo.colors.outside,
        )
        try:
            records = list(self._align_photo(source, photo, blank))
        except RecordRejectedError as rejection:
            records = [_reject(blank, rejection)]
        except InvalidArgumentError as error:
            records = [_fail(blank, Reason.BAD_COLUMNS, str(error))]
        # The last fence of the stage: whatever a photo does to it becomes that photo's row.
        except Exception as error:
            records = [_fail(blank, type(error).__name__, redact(str(error)))]
        seconds = (time.perf_counter() - start) / len(records)
        return [dataclasses.replace(record, seconds=seconds) for record in records]

    def _read(self, source: Source) -> Photo:
        """Return the photo, with its mask where one came along."""
        limits = {"max_pixels": self.config.max_pixels, "max_bytes": self.config.max_bytes}
        name = ""
        try:
            photo = read_photo(source, **limits)
            if source.mask is None:
                return photo
            name = f"mask {redact(source.mask.uri)}: "
            mask = read_mask(source, **limits)
            if mask is not None:
                check_aspect(mask, photo.width, photo.height)
            return dataclasses.replace(photo, mask=mask)
        except DecodeError as error:
            raise _ReadingError(
                Reason.BAD_MASK if name else Reason.DECODE, name + str(error)
            ) from error
        except Exception as error:
            if name and isinstance(error, InvalidArgumentError):
                raise _ReadingError(Reason.BAD_MASK, name + str(error)) from error
            message = f"{name}{type(error).__name__}: {redact(str(error))}"
            raise _ReadingError(Reason.STORAGE, message, error) from error

    def _align_photo(
        self, source: Source, photo: Photo, blank: AlignedRecord
    ) -> Iterator[AlignedRecord]:
        camera = self._given_camera(source)
        crop = _given(source.crop, "crop", (3,))
        points = _given(source.landmarks, "landmarks", (5, 2))
        if crop is not None and crop[2] <= 0:
            raise InvalidArgumentError("crop", expected="a positive side", actual=crop[2])
        if points is not None or (crop is not None and camera is not None):
            yield self._align_face(photo, blank, None, points, crop, camera)
            return
        for index, face in enumerate(self._find(photo, crop)):
            record_id = _content_id(source, photo, index)
            row = dataclasses.replace(blank, face_index=index, record_id=record_id)
            yield self._align_face(photo, row, face, face.landmarks, crop, camera)

    def _given_camera(self, source: Source) -> np.ndarray | None:
        camera = _given(source.camera, "camera", (25,))
        fault = None if camera is None else camera_fault(camera, self.orbit, self.ray_range())
        if fault is not None:
            raise RecordRejectedError(
                Reason.BAD_CAMERA,
                f"the given camera {fault}; give EG3D's 25 numbers (camera to world, row by row, "
                "then normalized intrinsics), or set ingest.camera_convention",
            )
        return camera

    def _find(self, photo: Photo, crop: np.ndarray | None) -> list[Face]:
        """Return the faces to take, the largest first.

        Raises:
            RecordRejectedError: `no_face` or `several_faces`.
        """
        found = self.detector.detect(photo.pixels)
        faces = [face for face in found if face.confidence > self.config.min_confidence]
        if crop is not None:
            faces = [face for face in faces if _center_within(face, crop)]
        if not faces:
            best = max((face.confidence for face in found), default=0.0)
            where = "in the given crop" if crop is not None else "in the photo"
            raise RecordRejectedError(
                Reason.NO_FACE,
                f"no face {where} with confidence above {self.config.min_confidence:g}"
                + (f"; the best candidate has {best:.2f}" if best else ""),
            )
        if self.config.max_faces and len(faces) > self.config.max_faces:
            raise RecordRejectedError(
                Reason.SEVERAL_FACES,
                f"{len(faces)} faces, at most {self.config.max_faces} are allowed (max_faces)",
            )
        return faces if self.config.faces == "all" and crop is None else faces[:1]

    def _align_face(
        self,
        photo: Photo,
        row: AlignedRecord,
        face: Face | None,
        points: np.ndarray | None,
        crop: np.ndarray | None,
        camera: np.ndarray | None,
    ) -> AlignedRecord:
        """Return the record of one face; what was measured stays in it when it is rejected."""
        try:
            if crop is not None:
                plan = plan_given(crop, photo.width, photo.height)
            elif points is not None:
                plan = plan_crop(points, photo.width, photo.height)
            else:
                raise InvalidArgumentError("crop", expected="given with a camera", actual=None)
            is_given = camera is not None
            fields = _camera_fields(camera, "given", confident=True)
            if camera is None and points is not None:
                fields = self._estimate(photo, points, plan)
            if crop is None and (self.config.crop_scale, *self.config.crop_shift) != (1, 0, 0):
                # After the camera: its estimate rests on the distance that EG3D's crop implies.
                plan = plan.adjusted(self.config.crop_scale, self.config.crop_shift)
            row = dataclasses.replace(row, **self._measure(face, points, plan))
            row = dataclasses.replace(row, **fields)
            self._check_size(row)
            pixels = cut(photo.pixels, plan)
            if not is_given:
                row = dataclasses.replace(row, **self._read_camera(pixels))
            self._check_yaw(row)
            inside = tuple(edge / plan.side for edge in plan.inside)
            row = dataclasses.replace(row, sharpness=sharpness(pixels, inside))  # type: ignore[arg-type]
            if points is not None:
                row = dataclasses.replace(row, covered=covered(pixels, plan.to_crop(points)))
            self._check_pixels(row)
            if self.config.size != TRAINED:
                pixels = cut(photo.pixels, plan, self.config.size)
            mask = cut_mask(photo.mask and photo.mask.values, plan, len(pixels))
            if photo.mask is not None:
                places = None if points is None else plan.to_crop(points)
                row = dataclasses.replace(row, hidden=hidden_share(mask, places))
            self._check_mask(row)
            return dataclasses.replace(row, pixels=pixels, mask=mask)
        except RecordRejectedError as rejection:
            return _reject(row, rejection)

    def _measure(self, face: Face | None, points: np.ndarray | None, plan: CropPlan) -> dict:
        crop = plan.left_top_side
        return {
            "landmarks": None if points is None else points.reshape(10).astype(np.float32),
            "face_confidence": None if face is None else face.confidence,
            "face_px": face.size / 2 if face is not None else FACE_OF_CROP * float(crop[2]),
            "visible": plan.visible,
            "crop": crop.astype(np.float32),
        }

    def _estimate(self, photo: Photo, points: np.ndarray, plan: CropPlan) -> dict:
        """Return the camera's fields as the points tell them."""
        five = plan.to_crop(points)
        dense = self.dense_camera and self.dense_camera.estimate(photo.pixels, plan, five)
        if dense is not None:
            deviations = {"yaw_std_rad": dense.yaw_std_rad, "pitch_std_rad": dense.pitch_std_rad}
            confident = np.degrees(max(deviations.values())) <= self.config.confident_std_deg
            camera = label_from_pose(dense.angles, orbit=self.orbit)
            return _camera_fields(camera, "dense", confident=bool(confident)) | deviations
        pose = estimate_pose(five)
        confident = abs(np.degrees(pose.angles[1])) <= self.config.confident_yaw_deg
        camera = label_from_pose(pose.angles, orbit=self.orbit)
        return _camera_fields(camera, "five", confident=bool(confident))

    def _read_camera(self, pixels: np.ndarray) -> dict:
        """Return the camera's fields as the encoder tells them; none where nothing confirms it."""
        camera = None if self.encoder_camera is None else self.encoder_camera.read(pixels)
        return {} if camera is None else _camera_fields(camera, "encoder", confident=True)

    def _check_size(self, row: AlignedRecord) -> None:
        config = self.config
        if (row.face_px or 0) < config.min_face_px:
            raise RecordRejectedError(
                Reason.TOO_SMALL,
                f"the face has {row.face_px:.0f} px, at least {config.min_face_px:g} are needed "
                "(min_face_px)",
            )
        if (row.visible or 0) < config.min_visible:
            raise RecordRejectedError(
                Reason.CUT_BY_BORDER,
                f"{row.visible:.0%} of the crop lies in the photo, at least "
                f"{config.min_visible:.0%} is needed (min_visible)",
            )

    def _check_yaw(self, row: AlignedRecord) -> None:
        yaw_deg = abs(np.degrees(row.yaw_rad or 0))
        if yaw_deg > self.config.max_yaw_deg + _YAW_ROUNDING_DEG:
            raise RecordRejectedError(
                Reason.EXTREME_YAW,
                f"the head is turned by {yaw_deg:.0f} deg, at most {self.config.max_yaw_deg:g} is "
                "allowed (max_yaw_deg)",
            )

    def _check_pixels(self, row: AlignedRecord) -> None:
        if (row.sharpness or 0) < self.config.min_sharpness:
            raise RecordRejectedError(
                Reason.BLURRED,
                f"sharpness {row.sharpness:.1f}, at least {self.config.min_sharpness:g} is needed "
                "(min_sharpness)",
            )
        if (row.covered or 0) > self.config.max_covered:
            raise RecordRejectedError(
                Reason.OCCLUDED,
                f"{row.covered:.0%} of the face is not of its color, at most "
                f"{self.config.max_covered:.0%} is allowed (max_covered)",
            )

    def _check_mask(self, row: AlignedRecord) -> None:
        if (row.hidden or 0) > self.config.max_hidden:
            raise RecordRejectedError(
                Reason.HIDDEN_BY_MASK,
                f"the mask hides {row.hidden:.0%} of the face, at most "
                f"{self.config.max_hidden:.0%} is allowed (max_hidden); a mask is white (255) "
                "where the portrait is",
            )


class _ReadingError(Exception):
    """Reading failed: the reason for the row, and the cause where it may pass."""

    def __init__(self, reason: Reason, message: str, cause: Exception | None = None) -> None:
        super().__init__(message)
        self.reason, self.cause = reason, cause


def _content_id(source: Source, photo: Photo, face_index: int = 0) -> str:
    mask = photo.mask and photo.mask.sha256
    return content_id(photo.sha256, face_index, given_digest(source, mask))


def _given(value: np.ndarray | None, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
    if value is None:
        return None
    array = np.asarray(value, dtype=np.float64)
    if array.size != np.prod(shape) or not np.isfinite(array).all():
        raise InvalidArgumentError(
            name, expected=f"{list(shape)} finite numbers", actual=f"shape {list(array.shape)}"
        )
    return array.reshape(shape)


def _center_within(face: Face, crop: np.ndarray) -> bool:
    center = (face.box[:2] + face.box[2:]) / 2
    return bool((center >= crop[:2]).all() and (center <= crop[:2] + crop[2]).all())


def _camera_fields(camera: np.ndarray | None, source: str, *, confident: bool) -> dict:
    if camera is None:
        return {}
    yaw, pitch = camera_angles(torch.from_numpy(camera)[None])
    return {
        "camera": camera.astype(np.float32),
        "yaw_rad": float(yaw),
        "pitch_rad": float(pitch),
        "pose_confident": confident,
        "camera_source": source,
        "yaw_std_rad": None,
        "pitch_std_rad": None,
    }


def _reject(row: AlignedRecord, rejection: RecordRejectedError) -> AlignedRecord:
    hint = mask_hint(row.uri) if rejection.reason == Reason.NO_FACE else ""
    message = "; ".join([rejection.message, *([hint] if hint else [])])
    error = RecordError(STAGE, str(rejection.reason), message)
    return dataclasses.replace(row, status=Status.REJECTED, error=error)


def _fail(row: AlignedRecord, reason: str, message: str) -> AlignedRecord:
    error = RecordError(STAGE, str(reason), message)
    return dataclasses.replace(row, status=Status.FAILED, error=error)


def _timed(row: AlignedRecord, start: float) -> AlignedRecord:
    return dataclasses.replace(row, seconds=time.perf_counter() - start)
