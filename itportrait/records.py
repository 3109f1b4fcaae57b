"""What flows through the pipeline: one record per input and stage, good or bad, none lost."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from itportrait.errors import RecordRejectedError
from itportrait.text import name_bytes, shown


class Status(StrEnum):
    """What became of a record in a stage."""

    OK = "ok"
    REJECTED = "rejected"
    """Unfit by a rule (no face, too small, ...): data, not an error."""
    FAILED = "failed"
    """A fault (broken file, crash, time-out); `--retry failed` tries it again."""


@dataclass(frozen=True)
class RecordError:
    """Why a record is not `ok`: the stage, a short type to filter by, and a full sentence."""

    stage: str
    type: str
    message: str

    @classmethod
    def of(cls, stage: str, error: BaseException) -> tuple[Status, "RecordError"]:
        """Classify an exception: a rejection keeps its reason, everything else is a failure."""
        if isinstance(error, RecordRejectedError):
            return Status.REJECTED, cls(stage, error.reason, shown(error.message))
        return Status.FAILED, cls(stage, type(error).__name__, shown(str(error)))


@dataclass(frozen=True, kw_only=True)
class Source:
    """One input: where it is, and what it brings along (then nothing of that is estimated)."""

    uri: str
    version: str = ""
    """What the store says changes with the content: an ETag, or size and time; "" if unknown."""
    data: bytes | None = None
    landmarks: np.ndarray | None = None
    """`[5, 2]` pixels of the photo, x right, y down."""
    camera: np.ndarray | None = None
    """`[25]` EG3D label of the crop."""
    crop: np.ndarray | None = None
    """`[3]` of the crop: left, top, side, in pixels of the photo; then no face is sought."""
    container: str | None = None
    """URI of the tar file or Parquet table that holds the photo; `uri` then only names it."""
    span: tuple[int, int] | None = None
    """Where in the container: offset and length (tar), or row group and row (Parquet)."""
    column: str = ""
    """Column of the table that holds it; "" is the one of photos."""
    mask: "Source | None" = None
    """Where the photo's mask is: a gray picture, white (255) where the portrait is to be seen and
    black (0) where it is hidden."""
    fault: RecordError | None = None
    """Why it could not be listed or cannot be read; it then becomes a failed row that says so."""


def read_later(stored_as: type | None = None) -> dict[str, Any]:
    """Return the metadata of a field that later stages read.

    When its value changes, what later stages made of the row is made again.

    Args:
        stored_as: numpy type in which tables hold an array; None: 32-bit floats, or its own type.
    """
    return {"read_later": True, "stored_as": stored_as}


KEPT_HERE = {"read_later": False}
"""Metadata of an array whose change means nothing to later stages. An array that does not say
counts as read."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """Base of all rows; `read_later` marks what the next stage takes from it."""

    record_id: str
    """16 hexadecimal digits of the photo's content and the face's number, the same in all
    tables."""
    status: Status = Status.OK
    """`ok`; `rejected`: unfit by a rule, such as a photo without a face; `failed`: a fault."""
    error: RecordError | None = None
    """Why the row is not `ok`: the stage, a short type to filter by, and a sentence."""
    seconds: float = 0.0
    """The row's share of the time in which it was computed, in seconds."""


@dataclass(frozen=True, kw_only=True)
class AlignedRecord(Record):
    """A photo after the align stage; the geometry is absent unless `ok`."""

    uri: str
    """Path or URI of the photo, without passwords; in an archive or table, its name there."""
    face_index: int = 0
    """Number of the face in its photo, from 0."""
    sha256: str = ""
    """SHA-256 digest of the photo's bytes, in hexadecimal digits; empty if they were not read."""
    width: int = 0
    """Width of the photo as it is shown, in pixels; 0 where it was not decoded."""
    height: int = 0
    """Height of the photo as it is shown, in pixels; 0 where it was not decoded."""
    landmarks: np.ndarray | None = field(default=None, metadata=KEPT_HERE)
    """`[10]` x, y of the five points in pixels of the photo."""
    face_confidence: float | None = None
    """Confidence of the detector, 0 to 1; absent where landmarks or a crop were given."""
    camera: np.ndarray | None = field(default=None, metadata=read_later(np.float32))
    """`[25]` EG3D label: cam2world row-major, then normalized intrinsics."""
    yaw_rad: float | None = None
    """Yaw of the camera, in radians: 0 from the front; positive moves the camera to +x."""
    pitch_rad: float | None = None
    """Pitch of the camera, in radians: 0 level; positive moves the camera down, below the face."""
    pose_confident: bool | None = None
    """Whether the estimated yaw is at most `align.confident_yaw_deg`; beyond it five points are not
    enough. For a camera from dense points: whether its standard deviations are at most
    `align.confident_std_deg`."""
    camera_source: str | None = None
    """Where the camera comes from: `given` with the input, `five` points, `dense` points, or the
    `encoder`. Absent in rows of earlier releases."""
    yaw_std_rad: float | None = field(default=None, metadata=read_later())
    """Standard deviation of `yaw_rad`, in radians; absent unless the camera is from dense
    points."""
    pitch_std_rad: float | None = field(default=None, metadata=read_later())
    """Standard deviation of `pitch_rad`, in radians; absent unless the camera is from dense
    points."""
    face_px: float | None = None
    """Mean of the face box's sides, in pixels of the photo."""
    sharpness: float | None = None
    """Variance of the Laplacian of the crop's luma, in 8-bit units squared."""
    covered: float | None = None
    """Share of the face whose color is not the face's own; absent without landmarks."""
    visible: float | None = None
    """Fraction of the crop's area that lies inside the photo."""
    crop: np.ndarray | None = field(default=None, metadata=KEPT_HERE)
    """`[3]` of the crop: left, top, side, in pixels of the photo (outside is black)."""
    color_note: str | None = None
    """What became of a color profile that is not sRGB: `converted from Display P3`, or why it was
    ignored; absent where there was nothing to do."""
    outside_srgb: float | None = None
    """Share of the photo's pixels whose colors sRGB cannot show, so that they were cut; absent
    where nothing was converted or it is unknown."""
    mask_sha256: str | None = None
    """Digest of the encoded mask that the input brought along; absent where it brought none."""
    hidden: float | None = None
    """Share of the face that the given mask or the photo's border hides; absent without a given
    mask."""
    duplicate_of: str | None = None
    """URI of the input with the same content that was computed in place of this one."""
    pixels: np.ndarray | None = field(default=None, metadata=read_later(np.uint8), repr=False)
    """`[size, size, 3]` uint8: kept in the pixels table, not in the row."""
    mask: np.ndarray | None = field(default=None, metadata=read_later(np.uint8), repr=False)
    """`[size, size]` uint8, kept beside the pixels: 255 where they show the portrait, 0 beyond the
    photo's border and where the given mask hides it. Absent where nothing is hidden, and in rows of
    releases that knew no masks."""


@dataclass(frozen=True, kw_only=True)
class InvertedRecord(Record):
    """A portrait after the invert stage."""

    uri: str | None = None
    """Path or URI of the photo, without passwords, as it was when the row was written; of several
    equal photos the first. Absent in rows of earlier releases."""
    camera: np.ndarray | None = field(default=None, metadata=read_later(np.float32))
    """`[25]`, refined where the configuration asks for it."""
    yaw_rad: float | None = None
    """Yaw of this camera, in radians: 0 from the front; positive moves the camera to +x. Absent in
    rows of earlier releases."""
    pitch_rad: float | None = None
    """Pitch of this camera, in radians: 0 level; positive moves the camera down, below the face.
    Absent in rows of earlier releases."""
    w_plus: np.ndarray | None = field(default=None, metadata=read_later(np.float32))
    """`[num_ws * w_dim]` float32."""
    psnr: float | None = None
    """Peak signal-to-noise ratio of the render against the portrait, in dB; higher is closer."""
    perceptual: float | None = None
    """Perceptual distance of the render from the portrait, 0 or more; lower is more alike."""
    identity: float | None = None
    """Cosine of identity features of render and portrait, -1 to 1; 1 is the same person."""
    steps: int | None = None
    """Number of optimization steps that the portrait took."""
    tuning: str | None = None
    """What became of tuning the generator to the portrait: `tuned`, `good without`, `views did not
    hold`, or `not finite`; absent where the method does not tune or was told not to."""
    pixels: np.ndarray | None = field(default=None, metadata=read_later(np.uint8), repr=False)
    """`[size, size, 3]` uint8 render of the code at its camera."""
    weights: bytes | None = field(default=None, metadata=read_later(), repr=False)
    """What the portrait changes in the generator's weights, where its inversion tuned them: a file
    of `itportrait.styles.WeightDelta`, kept in the weights table, not in the row."""


@dataclass(frozen=True, kw_only=True)
class StylizedRecord(Record):
    """A portrait in one style domain."""

    domain: str
    """Name of the style domain."""
    version: str
    """Version of the domain in the style bank."""
    uri: str | None = None
    """Path or URI of the photo, without passwords, as it was when the row was written; of several
    equal photos the first. Absent in rows of earlier releases."""
    views: int | None = None
    """Number of pictures of the portrait, the input's own view first."""
    yaw_deg: np.ndarray | None = field(default=None, metadata=KEPT_HERE)
    """`[views]` yaw of each view's camera, in degrees: 0 from the front; positive moves the camera
    to +x. Absent in rows of earlier releases."""
    pitch_deg: np.ndarray | None = field(default=None, metadata=KEPT_HERE)
    """`[views]` pitch of each view's camera, in degrees: 0 level; positive moves the camera down,
    below the face. Absent in rows of earlier releases."""
    clip_direction: float | None = None
    """Cosine of the picture's change with the words' change in CLIP, -1 to 1; higher is more of the
    style. Absent for domains without a prompt."""
    clip_image: float | None = None
    """Cosine of CLIP features of the picture and the reference images, -1 to 1; higher is more of
    the style. Absent for domains without a reference image."""
    identity: float | None = None
    """Cosine of identity features of the stylized portrait and the photo, -1 to 1; higher keeps
    more of the person."""
    depth_distance: float | None = None
    """Mean absolute difference of depth from the base generator's, in world units; lower keeps more
    of the shape."""
    depth_variance: float | None = None
    """Variance of depth over the base generator's: 1 is the same relief, and 0 is flat."""
    pixels: tuple[np.ndarray, ...] = field(default=(), metadata=read_later(np.uint8), repr=False)
    """uint8 views, the input's own first."""
    fitted: bytes | None = field(default=None, metadata=read_later(), repr=False)
    """What the style has fitted to the portrait, where it fits something: `BoundStyle.fitted`, kept
    in the fitted table, not in the row, so that films do not fit it again."""


def content_id(sha256: str, face_index: int = 0, given: str = "") -> str:
    """Return the record id of a face: 16 hexadecimal digits of content, not of name.

    Args:
        sha256: digest of the encoded photo.
        face_index: which of the faces that were found in it.
        given: digest of what the input brought along; "" where it brought nothing.
    """
    parts = [sha256, str(face_index)] if not given else [sha256, given, str(face_index)]
    return hashlib.sha256(":".join(parts).encode()).hexdigest()[:16]


def given_digest(source: Source, mask_sha256: str | None = None) -> str:
    """Return a digest of what an input brought along, or "" where it brought nothing.

    Two rows of a table may show two people of one photo: only this tells them apart.

    Args:
        source: the input, with its landmarks, camera and crop.
        mask_sha256: digest of its mask's content; None where it has none.
    """
    parts = given_parts(source, mask_sha256)
    if all(part is None for part in parts):
        return ""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def given_parts(source: Source, mask_sha256: str | None) -> list[bytes | str | None]:
    """Return what an input brought along to be hashed: three arrays, and its mask if it has one."""
    arrays = (source.landmarks, source.camera, source.crop)
    parts: list[bytes | str | None] = [
        None if a is None else np.asarray(a, dtype=np.float64).tobytes() for a in arrays
    ]
    return parts if mask_sha256 is None else [*parts, mask_sha256]


def unread_id(source: Source) -> str:
    """Return the record id of an input whose content is unknown: it follows from its name."""
    mask = None if source.mask is None else _unread_digest(source.mask)
    return content_id(_unread_digest(source), given=given_digest(source, mask))


def _unread_digest(source: Source) -> str:
    """Return what stands for the digest of content that is unknown.

    Parts of a container may share a name (a member that stands twice in an archive, rows of a table
    with one label), so their place in it counts too.
    """
    if source.data is not None:
        data = source.data
    else:
        place = "" if source.span is None else f"@{source.span[0]}:{source.span[1]}"
        data = name_bytes(source.uri + place)
    return hashlib.sha256(data).hexdigest()
