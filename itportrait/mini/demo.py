"""Inputs of the demo: drawn portraits of people no network has seen, a photo, and bad files."""

from itportrait.image import encode
from itportrait.io.uris import join, put_bytes
from itportrait.mini.samples import write_sample_portraits
from itportrait.portraits import HELD_OUT_SEED

BROKEN = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(48))
"""Bytes that begin as a JPEG and end in the middle of its header."""


def write_demo_inputs(out: str, *, count: int = 8, size: int = 512) -> list[str]:
    """Write drawn portraits, the astronaut, a picture without a face and a broken file.

    Args:
        out: folder or URI; the photos go to `OUT/photos`.
        count: number of drawn portraits.
        size: pixels along each side of a drawn portrait.

    Returns:
        URIs of the photos.

    Raises:
        OutputError: the folder cannot be written.
    """
    from skimage import data  # pictures that ship inside scikit-image

    photos = join(out, "photos")
    written = write_sample_portraits(photos, count, HELD_OUT_SEED, size)
    extras = {
        "astronaut.png": encode(data.astronaut()),
        "coffee.png": encode(data.coffee()),
        "broken.jpg": BROKEN,
    }
    for name, content in extras.items():
        put_bytes(join(photos, name), content)
    return [*written, *(join(photos, name) for name in extras)]
