"""Configuration of the evaluate stage."""

from pydantic import Field

from itportrait.config import Settings


class EvaluationProbeConfig(Settings):
    """The fixed set of codes and cameras on which every style is scored."""

    count: int = Field(default=16, ge=2)
    """Number of identities for the metrics of prompt, identity, depth and views."""
    kid_count: int = Field(default=96, ge=2)
    """Number of identities for KID, which needs true images of the domain."""
    seed: int = 2304
    """Seed of codes and cameras: the same in every evaluation, so that runs compare."""
    truncation_psi: float = Field(default=1.0, ge=0, le=1)
    """Truncation of the codes."""
    yaw_deg: float = Field(default=25.0, ge=0)
    """Largest yaw of the random cameras, in degrees (uniform)."""
    pitch_deg: float = Field(default=8.0, ge=0)
    """Largest pitch of the random cameras, in degrees (uniform)."""
    side_deg: float = Field(default=30.0, gt=0)
    """Yaw in degrees of the view that view consistency compares with the frontal one."""
    batch_size: int = Field(default=8, ge=1)
    """Number of renders made at once."""
    kid_subsets: int = Field(default=20, ge=1)
    """Number of random subsets over which KID is averaged."""
    kid_subset_size: int = Field(default=64, ge=2)
    """Number of pictures in a subset."""
