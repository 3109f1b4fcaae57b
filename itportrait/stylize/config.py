"""Configuration of the stylize stage."""

from pydantic import Field

from itportrait.config import Settings


class StylizeConfig(Settings):
    """Which pictures of each portrait are made in a domain, and what is measured on them."""

    views_deg: tuple[tuple[float, float], ...] = ((-25.0, 0.0), (0.0, 0.0), (25.0, 0.0))
    """Yaw and pitch of the views after the input's own one, degrees."""
    strength: float = 1.0
    """Share of the adapter's difference: 0 the base generator, 1 the domain, past 1 beyond it."""
    metrics: bool = True
    """Whether CLIP, identity and depth metrics are written with the records."""
    batch_size: int = Field(8, ge=1)
    """Portraits at once; their planes are made once for all views."""
    turntable_frames: int = Field(48, ge=2)
    """Frames of a turntable."""
    turntable_yaw_deg: float = Field(35.0, gt=0)
    """Largest yaw of the turntable, degrees."""
    turntable_pitch_deg: float = Field(8.0, ge=0)
    """Largest pitch of the turntable, degrees."""
