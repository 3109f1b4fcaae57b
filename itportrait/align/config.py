"""Configuration of the align stage, and the closed list of reasons that its rows can give."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from itportrait.config import Settings
from itportrait.photos.decoding import MAX_PIXELS
from itportrait.photos.files import MAX_BYTES


class Reason(StrEnum):
    """`error.type` of rows that are not ok: what users filter by."""

    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    TOO_SMALL = "too_small"
    CUT_BY_BORDER = "cut_by_border"
    EXTREME_YAW = "extreme_yaw"
    BLURRED = "blurred"
    OCCLUDED = "occluded"
    HIDDEN_BY_MASK = "hidden_by_mask"
    """The mask that the input brought along hides the face, or nearly all of it."""
    BAD_LANDMARKS = "bad_landmarks"
    """The five points lie on a line or in one place, so that they give no pose."""
    BAD_CAMERA = "bad_camera"
    """The camera that the input brought along does not look at the head, or has another convention
    than `ingest.camera_convention` says."""

    DECODE = "decode"
    """The row failed because the bytes are not a picture, are damaged, or exceed a limit."""
    STORAGE = "storage"
    """The row failed because the bytes could not be read."""
    BAD_COLUMNS = "bad_columns"
    """The row failed because the landmarks, crop, camera or name that came with the input are
    malformed, or because its mask cannot be taken from its cell or archive."""
    BAD_MASK = "bad_mask"
    """The row failed because the mask that came with the input is no gray picture, is damaged, or
    has another aspect than the photo."""
    UNLISTED = "unlisted"
    """The row stands for a folder, list, table or archive that could not be listed, at least in
    part; how many inputs it holds is unknown."""


class AlignConfig(Settings):
    """Which faces are taken, how they are cropped, and which photos are rejected."""

    size: int = Field(default=512, ge=16, le=4096)
    """Side of the aligned picture, in pixels. The crop is made at 512 pixels, as in EG3D's
    training, and then resized."""
    faces: Literal["largest", "all"] = "largest"
    """Which faces of a photo get a row: the largest one, or all."""
    crop_scale: float = Field(default=1.0, gt=0.5, lt=2)
    """Side of the crop, relative to EG3D's crop. 1 is for generators that were trained on EG3D's
    crops."""
    crop_shift: tuple[float, float] = (0.0, 0.0)
    """Shift of the crop from EG3D's crop, to the right and down, as fractions of its side. Together
    with `crop_scale` it serves generators whose training pictures were framed differently. A crop
    that the input brings along is kept."""
    min_confidence: float = Field(default=0.9, ge=0, le=1)
    """Detections below this confidence are ignored. EG3D's own preprocessing uses 0.9."""
    min_face_px: float = Field(default=20, ge=0)
    """Faces whose box has a smaller mean side, in pixels of the photo, are rejected as `too_small`.
    Below about 60 pixels the crop is an enlargement; below 20 the detector finds no faces."""
    max_faces: int = Field(default=0, ge=0)
    """Photos with more faces than this are rejected as `several_faces`; 0 accepts any number."""
    min_visible: float = Field(default=0.5, ge=0, le=1)
    """Faces of whose crop a smaller fraction lies inside the photo are rejected as `cut_by_border`;
    0 accepts all."""
    max_yaw_deg: float = Field(default=90, gt=0, le=90)
    """Heads that are turned further than this, in degrees, are rejected as `extreme_yaw`; 90
    accepts all."""
    min_sharpness: float = Field(default=0, ge=0)
    """Faces with less sharpness are rejected as `blurred`; 0 accepts all. Sharpness is the variance
    of the Laplacian of the 512-pixel crop's luma, in squared 8-bit units. Enlarging a small face
    lowers it as blur does."""
    max_covered: float = Field(default=1, ge=0, le=1)
    """Faces of which a larger share is covered, by a mask or dark glasses for instance, are
    rejected as `occluded`; 1 accepts all, and 0.25 is a good first value. The share counts pixels
    whose color is not the face's own. Beards and hard shadows count as covered and hands do not, so
    look at the review page first."""
    max_hidden: float = Field(default=0.9, ge=0, le=1)
    """Faces of which a mask that came with the photo hides a larger share are rejected as
    `hidden_by_mask`; 1 accepts all. What lies beyond the photo's border counts as hidden."""
    confident_yaw_deg: float = Field(default=28, gt=0, le=90)
    """Largest estimated yaw, in degrees, at which `pose_confident` is true. For a head turned by 35
    degrees the five points give 28. Beyond that the error of the estimate grows: it is 6 degrees at
    35, and 12 at 45."""
    encoder_camera_distance: float = Field(default=0, ge=0)
    """Largest perceptual distance at which the camera of the bundle's encoder is preferred to that
    of the five points. The distance is between the crop and the encoder's portrait, rendered from
    the encoder's camera. 0 never asks the encoder. It serves pictures of the kind that the bundle's
    family was trained on."""
    camera_points: Literal["five", "dense"] = "five"
    """Points that a face's camera is estimated from: `five`, or `dense`, the five and those of
    MediaPipe's face mesh, which this machine must have (`itportrait models get face-mesh`). The
    crop follows from the five in both cases."""
    dense_face: Literal["photos", "drawn"] = "photos"
    """Mean face that dense points are laid on: that of people in photos, or that of drawn people
    such as `itportrait sample-portraits` writes."""
    confident_std_deg: float = Field(default=5, gt=0)
    """Largest standard deviation of yaw and pitch, in degrees, at which `pose_confident` is true
    for a camera from dense points."""
    max_pixels: int = Field(default=MAX_PIXELS, gt=0)
    """Photos with more pixels fail with the reason `decode`, before memory is taken for them."""
    max_bytes: int = Field(default=MAX_BYTES, gt=0)
    """Files with more bytes fail with the reason `decode`, and the rest of them is not read."""

    @model_serializer(mode="wrap")
    def _without_later_settings(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a setting that has its default and came later than the others.

        Fingerprints are made of this: with it, every table and every domain with a reference
        picture that was made before the setting existed would be computed again.
        """
        data = handler(self)
        for name, default in {
            "max_covered": 1,
            "max_hidden": 0.9,
            "encoder_camera_distance": 0,
            "camera_points": "five",
            "dense_face": "photos",
            "confident_std_deg": 5,
        }.items():
            if data.get(name) == default:
                del data[name]
        return data
