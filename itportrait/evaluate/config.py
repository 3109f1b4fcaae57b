"""Configuration of the evaluate stage."""

from pydantic import Field

from itportrait.config import Settings


class ProbeConfig(Settings):
    """The fixed set of codes and cameras on which every adapted generator is scored."""

    count: int = Field(default=16, ge=2)
    """Identities for the metrics with a prompt, identity, depth and views."""
    kid_count: int = Field(default=96, ge=2)
    """Identities for KID, where true images of the domain are at hand."""
    seed: int = 2304
    """Of codes and cameras: the same in every evaluation, so that runs compare."""
    truncation_psi: float = Field(default=1.0, ge=0, le=1)
    """Truncation of the codes."""
    yaw_deg: float = Field(default=25.0, ge=0)
    """Cameras are drawn with a uniform yaw up to this."""
    pitch_deg: float = Field(default=8.0, ge=0)
    """And a uniform pitch up to this."""
    side_deg: float = Field(default=30.0, gt=0)
    """Yaw at which view consistency compares with the frontal view."""
    batch_size: int = Field(default=8, ge=1)
    """Renders at once."""
    kid_subsets: int = Field(default=20, ge=1)
    """Random subsets over which KID is averaged."""
    kid_subset_size: int = Field(default=64, ge=2)
    """Rows of a subset."""
