"""Settings of the listing: which files are inputs, and how they are cut into shards."""

from pydantic import Field

from itportrait.config import Settings
from itportrait.geometry.conventions import CameraConvention
from itportrait.photos.formats import PATTERNS
from itportrait.photos.masks import MASK_SUFFIX


class IngestConfig(Settings):
    """Which files are inputs, and how they are cut into shards."""

    patterns: tuple[str, ...] = PATTERNS
    """File names that count as photos in a folder."""
    shard_size: int = Field(default=64, ge=1)
    """Largest number of photos in a shard. A shard is computed by one task and written to one file,
    so this is also what a killed process can cost. Shards are smaller where their pictures and the
    weights that `invert.method` tunes for each portrait would not fit into `shard_mb`."""
    shard_mb: int = Field(default=4096, ge=1)
    """Memory that the pictures and the weights of a shard's portraits may take in a task, in MiB.
    Weights count as those of a published generator of 512 pixels: 0.1 MiB a portrait for each of
    `invert.methods.pti.rank`, or 60 MiB without a rank. Models and the batch that is being computed
    take memory besides."""
    mask_suffix: str = Field(default=MASK_SUFFIX, pattern=r"^[^/]*$")
    """Ending of the names of masks: the mask of `NAME.jpg` is `NAME.jpg.mask.png` or
    `NAME.mask.png`, beside it or in its sample of an archive. A mask is gray, white (255) where the
    portrait is and black (0) where something hides it. An empty text takes all pictures for
    photos."""
    camera_convention: CameraConvention = "eg3d"
    """Convention of cameras that tables and archives bring along: `eg3d` (camera to world, looking
    along +z, y down), `opengl` (camera to world, looking along -z, y up) or `w2c` (world to camera,
    y down). Intrinsics are normalized by the picture's width in all of them."""
