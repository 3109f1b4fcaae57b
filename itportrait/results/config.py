"""Settings of the pages, videos and files that are made of a run's results."""

from pydantic import Field

from itportrait.config import Settings
from itportrait.stylize.config import DeliverablesConfig


class PublishConfig(Settings):
    """Pages, videos and files that a job makes of its results."""

    portraits: int = Field(default=24, ge=0)
    """Number of portraits in the gallery and on the contact sheet; 0 makes neither."""
    turntables: int | None = Field(default=None, ge=0)
    """Number of portraits of the gallery that get a turntable video in every domain, of at least 3
    seconds, and turn through its frames on the page; None means all that it shows."""
    meshes: int = Field(default=0, ge=0)
    """Number of portraits of the gallery whose mesh, with a texture, turns on the page in every
    domain; each of them makes it about a megabyte larger."""
    review: int = Field(default=6, ge=0)
    """Number of portraits that the review page shows for each reason, the worst first; 0 makes no
    such page."""
    deliverables: DeliverablesConfig = DeliverablesConfig()
    """Files that are written for every portrait."""
