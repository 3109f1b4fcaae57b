"""Configuration of the stylize stage."""

from typing import Literal

from pydantic import Field

from itportrait.config import Settings

Film = Literal["mp4", "webp"]


class StylizeConfig(Settings):
    """Which pictures of each portrait are made in a domain, and what is measured on them."""

    views_deg: tuple[tuple[float, float], ...] = ((-25.0, 0.0), (0.0, 0.0), (25.0, 0.0))
    """Yaw and pitch, in degrees, of the views that follow the input's own one."""
    strength: float = 1.0
    """Strength of the style: 0 is the base generator, 1 the domain, more goes beyond it."""
    metrics: bool = True
    """Whether CLIP, identity and depth metrics are written with the records."""
    batch_size: int = Field(default=8, ge=1)
    """Number of portraits rendered at once; their planes are made once for all views."""
    turntable_frames: int = Field(default=48, ge=2)
    """Number of frames of a turntable; fewer than 72 play slower, so that it lasts 3 seconds."""
    turntable_yaw_deg: float = Field(default=35.0, gt=0)
    """Largest yaw of the turntable, in degrees."""
    turntable_pitch_deg: float = Field(default=8.0, ge=0)
    """Largest pitch of the turntable, in degrees."""


class DeliverablesConfig(Settings):
    """Files made of every stylized portrait besides the views in the tables; none by default."""

    pasted: bool = False
    """Write `pasted.png`: the head of the input's own view, put back into the photo."""
    feather: float = Field(default=0.15, gt=0, le=0.5)
    """Width of the soft edge of what is pasted, as a share of the crop's side."""
    turntable: tuple[Film, ...] = ()
    """Write `turntable.*`: the portrait turning, with the stylize stage's frames and angles."""
    depth: bool = False
    """Write `depth.png`: distances in the input's own view, 16 bit."""
    mesh: tuple[Literal["glb", "ply", "obj"], ...] = ()
    """Write `mesh.*`: the colored surface."""
    mesh_resolution: int = Field(default=160, ge=16)
    """Number of samples along each side of the mesh's cube."""
    mesh_texture: bool = True
    """Whether `mesh.glb` has a texture that is painted from renders, four times their side; if not,
    and in other files, the colors are those of the scene at the vertices."""
    strength: tuple[Film, ...] = ()
    """Write `strength.*`: a film from the base generator to the domain at the stage's strength."""
    between: tuple[Film, ...] = ()
    """Write `from_NAME.*`: a film from the domain before this one in the job's list."""
    frames: int = Field(default=36, ge=2)
    """Number of frames of these two films."""
    portraits: int | None = Field(default=None, ge=1)
    """Number of portraits of the run, counted from the first, that get files; None means all."""

    @property
    def kinds(self) -> int:
        """Return how many files each portrait gives (in a domain after the first)."""
        films = (self.turntable, self.strength, self.between, self.mesh)
        return self.pasted + self.depth + sum(len(kinds) for kinds in films)
