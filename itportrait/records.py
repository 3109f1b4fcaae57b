"""What flows through the pipeline: one record per input and stage, good or bad, none lost."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from itportrait.errors import RecordRejectedError
from itportrait.text import shown


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


@dataclass(frozen=True, kw_only=True)
class Record:
    """Base of all rows."""

    record_id: str
    status: Status = Status.OK
    error: RecordError | None = None
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class AlignedRecord(Record):
    """A photo after the align stage; the geometry is absent unless `ok`."""

    uri: str
    face_index: int = 0
    sha256: str = ""
    width: int = 0
    height: int = 0
    landmarks: np.ndarray | None = None
    """`[10]` x, y of the five points in pixels of the photo."""
    face_confidence: float | None = None
    camera: np.ndarray | None = None
    """`[25]` EG3D label: cam2world row-major, then normalized intrinsics."""
    yaw_rad: float | None = None
    pitch_rad: float | None = None
    pose_confident: bool | None = None
    """False beyond |yaw| 35 deg, where five points are not enough."""
    face_px: float | None = None
    """Mean of the face box's sides, in pixels of the photo."""
    sharpness: float | None = None
    """Variance of the Laplacian of the crop's luma, in 8-bit units squared."""
    covered: float | None = None
    """Share of the face whose color is not the face's own; absent without landmarks."""
    visible: float | None = None
    """Fraction of the crop's area that lies inside the photo."""
    crop: np.ndarray | None = None
    """`[3]` of the crop: left, top, side, in pixels of the photo (outside is black)."""
    duplicate_of: str | None = None
    """URI of the input with the same content that was computed in place of this one."""
    pixels: np.ndarray | None = field(default=None, repr=False)
    """`[size, size, 3]` uint8: kept in the pixels table, not in the row."""


@dataclass(frozen=True, kw_only=True)
class InvertedRecord(Record):
    """A portrait after the invert stage."""

    camera: np.ndarray | None = None
    """`[25]`, refined where the configuration asks for it."""
    w_plus: np.ndarray | None = None
    """`[num_ws * w_dim]` float32."""
    psnr: float | None = None
    perceptual: float | None = None
    identity: float | None = None
    steps: int | None = None
    pixels: np.ndarray | None = field(default=None, repr=False)
    """`[size, size, 3]` uint8 render of the code at its camera."""


@dataclass(frozen=True, kw_only=True)
class StylizedRecord(Record):
    """A portrait in one style domain."""

    domain: str
    version: str
    views: int | None = None
    clip_direction: float | None = None
    """Absent for domains without a prompt."""
    clip_image: float | None = None
    """Absent for domains without a reference image."""
    identity: float | None = None
    depth_distance: float | None = None
    depth_variance: float | None = None
    """Ratio to the base generator's."""
    pixels: tuple[np.ndarray, ...] = field(default=(), repr=False)
    """uint8 views, the input's own first."""


def content_id(sha256: str, face_index: int = 0) -> str:
    """Return the record id of a face of a file: 16 hexadecimal digits of content, not of name."""
    return hashlib.sha256(f"{sha256}:{face_index}".encode()).hexdigest()[:16]
