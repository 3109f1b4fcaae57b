"""Settings of adversarial training; a module apart, so that checking them loads no torch."""

from typing import Any, Literal

from pydantic import Field

from itportrait.config import Settings


class AdversarialConfig(Settings):
    """The discriminator, what it learns by, and what keeps it from learning pictures by heart.

    The defaults are those of EG3D's program, in the use of Dr.3D's.
    """

    features: Literal["learned", "perceptual"] = "learned"
    """What the discriminator looks with. `learned` is the published residual network, which learns
    from nothing. `perceptual` is a frozen pyramid of the bundle's perceptual network with small
    heads that learn: it tells pictures apart after a few steps, and needs far fewer of them."""
    channel_base: int = Field(default=32768, ge=8)
    """Number of channels of the learned network at a resolution is this number over it."""
    channel_max: int = Field(default=512, ge=1)
    """Largest number of the discriminator's channels; the width of the heads on the frozen
    network."""
    mapping_layers: int = Field(default=8, ge=0)
    """Number of layers through which the camera passes before it conditions the discriminator."""
    group: int = Field(default=4, ge=1)
    """Number of pictures whose spread the learned network sees as a channel."""
    half_blocks: int = Field(default=3, ge=0)
    """Number of the learned network's first blocks that run in half precision on a GPU."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Learning rate of the discriminator's Adam."""
    betas: tuple[float, float] = (0.0, 0.99)
    """Decay rates of the two averages of the discriminator's Adam."""
    r1: float = Field(default=1.0, ge=0)
    """Weight of the penalty on the squared gradient of the real pictures' scores (R1)."""
    r1_every: int = Field(default=16, ge=1)
    """Number of steps between two such penalties; each counts that many times."""
    overfit_target: float = Field(default=0.6, ge=-1, le=1)
    """Mean sign of the real pictures' scores that the strength of the augmentation aims at."""
    augment_start: float = Field(default=0.0, ge=0, le=1)
    """Probability of each change of a picture at the first step."""
    augment_pictures: int = Field(default=100_000, ge=0)
    """Number of real pictures, of all workers together, in which the probability can rise from 0 to
    1; 0 leaves it as it starts."""
    augment_every: int = Field(default=4, ge=1)
    """Number of steps between two corrections of the probability."""
    blur: float = Field(default=10.0, ge=0)
    """Standard deviation of the blur of all pictures at the first step, in pixels."""
    blur_pictures: int = Field(default=200_000, ge=0)
    """Number of real pictures, of all workers together, over which the blur fades to nothing; 0
    leaves the blur out."""
    density: float = Field(default=0.25, ge=0)
    """Weight of the difference of densities between neighboring points."""
    density_every: int = Field(default=4, ge=1)
    """Number of steps between two such terms; each counts that many times."""
    density_points: int = Field(default=1000, ge=1)
    """Number of points of that term."""
    density_distance: float = Field(default=0.004, gt=0)
    """Standard deviation of a neighbor's distance along each axis, in world units."""
    density_extent: float | None = Field(default=1.0, gt=0)
    """Half the side of the cube in which the points are drawn, in world units. None is the cube
    that holds the scene, outside of which embedded generators have no density."""

    def unread_terms(self) -> tuple[str, ...]:
        """Return the terms that nothing reads beside the others."""
        unread: list[str] = []
        if self.features == "perceptual":
            unread += ["channel_base", "group", "half_blocks"]
        if not self.r1:
            unread += ["r1_every"]
        if not self.augment_pictures:
            unread += ["overfit_target", "augment_every"]
        if not self.blur or not self.blur_pictures:
            unread += ["blur", "blur_pictures"]
        if not self.density:
            unread += [f"density_{name}" for name in ("every", "points", "distance", "extent")]
        return tuple(unread)


MINI_ADVERSARY: dict[str, Any] = {
    "features": "perceptual",
    "channel_max": 64,
    "mapping_layers": 2,
    "learning_rate": 2e-3,
    "augment_pictures": 4_000,
    "blur": 0.0,
    "density_extent": None,
}
"""For the embedded family and few pictures: a discriminator that can see at once."""
