"""What an export says of each of its pictures: a row of its index."""

import typing
from dataclasses import dataclass, fields

import pyarrow as pa

from itportrait.io.parquet import column_of


@dataclass(frozen=True, kw_only=True)
class ExportRow:
    """A picture of an export: where it is, what it shows, and how well it came out."""

    file: str = ""
    """The file: its path below the export's folder, or its name in a shard or a dataset."""
    shard: str | None = None
    """Path of the tar file that holds it, below the export's folder; absent with `--to files`."""
    uri: str
    """Path or URI of the photo, without passwords; in an archive or table, its name there."""
    record_id: str
    """16 hexadecimal digits of the photo's content and the face's number, the same in all
    tables."""
    face_index: int = 0
    """Number of the face in its photo, from 0."""
    duplicate_of: str | None = None
    """URI of the photo with the same content that was computed in place of this one. Both have
    their pictures."""
    style: str
    """Name of the style domain."""
    version: str
    """Version of the domain in the style bank."""
    kind: str = "view"
    """`view`, or for a file of `OUT/deliverables` its name there: `pasted`, `turntable`, `depth`,
    `mesh`, `strength`, `from_NAME`."""
    view: int | None = None
    """Number of the view: 0 is the photo's own, and the others are those of `stylize.views_deg`.
    Absent for other kinds."""
    yaw_deg: float | None = None
    """Yaw of the view's camera, in degrees: 0 from the front; positive moves the camera to +x.
    Absent where an earlier release made the picture, and for other kinds."""
    pitch_deg: float | None = None
    """Pitch of the view's camera, in degrees: 0 level; positive moves the camera down, below the
    face. Absent for other kinds, and where an earlier release made the picture."""
    clip_direction: float | None = None
    """Cosine of the picture's change with the words' change in CLIP, -1 to 1, in the photo's own
    view; as in `stylized/records`, like the figures below."""
    clip_image: float | None = None
    """Cosine of CLIP features of the picture and the reference images, -1 to 1."""
    identity: float | None = None
    """Cosine of identity features of the stylized portrait and the photo, -1 to 1."""
    depth_distance: float | None = None
    """Mean absolute difference of depth from the base generator's, in world units."""
    depth_variance: float | None = None
    """Variance of depth over the base generator's: 1 is the same relief, and 0 is flat."""


MEASURES = ("clip_direction", "clip_image", "identity", "depth_distance", "depth_variance")
"""What is taken from the rows of the stylize stage."""


def index_schema() -> pa.Schema:
    """Return the columns of an index."""
    hints = typing.get_type_hints(ExportRow)
    return pa.schema([column_of(field.name, hints[field.name]) for field in fields(ExportRow)])
