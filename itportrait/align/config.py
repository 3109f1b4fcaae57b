"""Configuration of the align stage, and the closed list of reasons that its rows can give."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from itportrait.config import Settings
from itportrait.io.decoding import MAX_PIXELS
from itportrait.io.photos import MAX_BYTES


class Reason(StrEnum):
    """`error.type` of rows that are not ok: what users filter by."""

    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    TOO_SMALL = "too_small"
    CUT_BY_BORDER = "cut_by_border"
    EXTREME_YAW = "extreme_yaw"
    BLURRED = "blurred"
    OCCLUDED = "occluded"
    BAD_LANDMARKS = "bad_landmarks"
    """The five points span no plane: all equal, or on a line."""
    BAD_CAMERA = "bad_camera"
    """The camera that the input brought along does not look at the head, or is of another
    convention than `ingest.camera_convention` says."""

    DECODE = "decode"
    """Failed: the bytes are not a picture, are damaged, or over a limit."""
    STORAGE = "storage"
    """Failed: the bytes could not be read."""
    BAD_COLUMNS = "bad_columns"
    """Failed: landmarks, crop, camera or name that the input brought along are misshapen."""
    UNLISTED = "unlisted"
    """Failed: a folder, list, table or archive, in whole or in part; nobody knows how many inputs
    it holds."""


class AlignConfig(Settings):
    """Which faces are taken, how large the crop is, and what is turned away."""

    size: int = Field(default=512, ge=16, le=4096)
    """Side of the aligned picture, pixels: made at 512 as EG3D was trained, then resized."""
    faces: Literal["largest", "all"] = "largest"
    """One row for the largest face of a photo, or one for every face."""
    crop_scale: float = Field(default=1.0, gt=0.5, lt=2)
    """Side of the crop, of EG3D's: 1 for generators trained on EG3D's crops."""
    crop_shift: tuple[float, float] = (0.0, 0.0)
    """Of the crop from EG3D's, x right and y down, as fractions of its side. With `crop_scale` for
    generators whose training pictures were framed otherwise; a crop that is given is kept."""
    min_confidence: float = Field(default=0.9, ge=0, le=1)
    """Detections below this are no faces (EG3D's own preprocessing: 0.9)."""
    min_face_px: float = Field(default=20, ge=0)
    """`too_small`: the mean side of the face box, pixels of the photo. Below about 60 the crop is
    an enlargement; 20 is the least the detector resolves."""
    max_faces: int = Field(default=0, ge=0)
    """`several_faces`: more faces than this in the photo; 0 turns it off."""
    min_visible: float = Field(default=0.5, ge=0, le=1)
    """`cut_by_border`: fraction of the crop inside the photo. 0 turns it off."""
    max_yaw_deg: float = Field(default=90, gt=0, le=90)
    """`extreme_yaw`: the head is turned further than this; 90 turns it off."""
    min_sharpness: float = Field(default=0, ge=0)
    """`blurred`: variance of the Laplacian of the 512-pixel crop's luma, 8-bit units squared; 0
    turns it off. Enlarging a small face lowers it as blur does."""
    max_covered: float = Field(default=1, ge=0, le=1)
    """`occluded`: share of the face whose color is not the face's own (a mask, dark glasses); 1
    turns it off, about 0.25 is a start. Look at the review page first: beards and hard shadows
    count, hands do not."""
    confident_yaw_deg: float = Field(default=28, gt=0, le=90)
    """`pose_confident` is false beyond this *estimated* yaw. Five points see a head turned by 35
    deg, where their error begins to grow (6 deg there, 12 at 45), as turned by 28."""
    encoder_camera_distance: float = Field(default=0, ge=0)
    """The camera is the one that the bundle's encoder reads where the portrait it reads, rendered
    from there, is within this perceptual distance of the crop, and else that of the five points; 0
    never asks. For pictures of the kind that the family was trained on."""
    max_pixels: int = Field(default=MAX_PIXELS, gt=0)
    """Photos with more are `failed: decode` before memory is taken."""
    max_bytes: int = Field(default=MAX_BYTES, gt=0)
    """Files with more are `failed: decode`, and are not read further."""

    @model_serializer(mode="wrap")
    def _without_later_settings(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a setting that is off and came later than the others.

        Fingerprints are made of this: with it, every table and every domain with a reference
        picture that was made before the setting existed would be computed again.
        """
        data = handler(self)
        for name, off in {"max_covered": 1, "encoder_camera_distance": 0}.items():
            if data.get(name) == off:
                del data[name]
        return data
