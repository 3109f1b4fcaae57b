"""Identity networks: are all pictures of one person nearer to each other than to anybody else's?

    python -m benchmarks.bm_identity photos paintings --model models:dlib-face --model mini

Every picture of a face is changed as cameras and files do (blur, JPEG, noise, size, light, gray,
mirror, turn), aligned as photos are, and embedded; so are photos of drawn people, each from several
cameras. Prints for each model and set the lowest cosine of one person, the highest of two, the area
under the ROC curve, and how often the nearest other picture is the same person's. A model that
takes the five points of a face is also measured with them.
"""

import argparse
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from itportrait.align import AlignConfig, Aligner
from itportrait.bundle import load_bundle
from itportrait.image import decode, encode, to_tensor
from itportrait.ingest import list_sources
from itportrait.io import uris
from itportrait.mini.samples import draw_photo
from itportrait.perception.detector import FaceDetector
from itportrait.perception.face_resnet import FaceResnetModel
from itportrait.perception.identity import IdentityModel, load_identity
from itportrait.portraits import sample_people
from itportrait.pretrain.networks.identity import area_under_curve
from itportrait.published.store import resolve
from itportrait.records import Source, Status
from tests.helpers.faces import VARIANTS

DRAWN_SEED = 977
SIZE = 256


@dataclass(frozen=True)
class Faces:
    """Aligned pictures and who is in them."""

    images: Tensor
    """`[N, 3, 256, 256]` in [-1, 1]."""
    people: Tensor
    """`[N]` number of the person."""
    points: Tensor
    """`[N, 5, 2]` the five points, as shares of the picture's side."""


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("photos", nargs="+", help="folders, globs or files; one person a picture")
    parser.add_argument(
        "--model", action="append", required=True, help="mini, a file, or models:NAME"
    )
    parser.add_argument("--drawn", type=int, default=24, help="drawn people")
    parser.add_argument("--views", type=int, default=4, help="photos of each")
    arguments = parser.parse_args()
    aligner = Aligner(AlignConfig(size=SIZE), FaceDetector())
    sets = {
        "real": gather(aligner, real_photos(arguments.photos)),
        "drawn": gather(aligner, drawn_photos(arguments.drawn, arguments.views)),
    }
    print(f"{'model':<28}{'set':<7}{'people':>7}{'pictures':>9}{'one >=':>8}{'two <=':>8}", end="")
    print(f"{'gap':>8}{'AUC':>9}{'nearest':>9}")
    for name in arguments.model:
        model = open_model(name)
        for kind, faces in sets.items():
            report(name, kind, faces, model.embed)
            if isinstance(model, FaceResnetModel):
                report(f"{name} by points", kind, faces, model.embed, faces.points)


def open_model(name: str) -> IdentityModel:
    """Return an identity network by its name or file."""
    return load_bundle().identity if name == "mini" else load_identity(resolve(name) or Path(name))


def real_photos(places: Sequence[str]) -> Iterator[tuple[int, str, np.ndarray]]:
    """Yield number of the person, name and pixels of every variant of every picture."""
    for person, source in enumerate(list_sources(places)):
        photo = Image.fromarray(decode(uris.read_bytes(source.uri)))
        for name, change in VARIANTS.items():
            yield person, f"{Path(source.uri).name} {name}", np.asarray(change(photo))


def drawn_photos(people: int, views: int) -> Iterator[tuple[int, str, np.ndarray]]:
    """Yield number of the person, name and pixels of photos of drawn people."""
    for person, view in itertools.product(sample_people(people, DRAWN_SEED), range(views)):
        image = draw_photo(person, view).portrait.image
        yield person.index, f"drawn {person.index} {view}", image


def gather(aligner: Aligner, photos: Iterator[tuple[int, str, np.ndarray]]) -> Faces:
    """Align photos; those without a face are named and left out."""
    images, people, points, lost = [], [], [], []
    for person, name, pixels in photos:
        (record,) = aligner.align(Source(uri=name, data=encode(pixels)))
        if record.status == Status.OK and record.crop is not None:
            images.append(to_tensor(record.pixels))
            people.append(person)
            left, top, side = record.crop
            points.append((record.landmarks.reshape(5, 2) + 0.5 - (left, top)) / side)
        else:
            lost.append(name)
    if lost:
        print(f"no face found in {len(lost)}: {', '.join(lost)}")
    five = torch.as_tensor(np.stack(points), dtype=torch.float32)
    return Faces(torch.stack(images), torch.tensor(people), five)


@torch.no_grad()
def report(
    name: str, kind: str, faces: Faces, embed: Callable[..., Tensor], *given: Tensor
) -> None:
    """Print one line of figures; `given` is handed to `embed` with the pictures."""
    parts = zip(*(each.split(16) for each in (faces.images, *given)), strict=True)
    vectors = torch.cat([embed(*part) for part in parts])
    cosines, same = vectors @ vectors.T, faces.people[:, None] == faces.people
    pairs = torch.ones_like(same).triu(1)
    one, two = cosines[same & pairs], cosines[~same & pairs]
    nearest = cosines.fill_diagonal_(-2).argmax(1)
    right = float((faces.people[nearest] == faces.people).float().mean())
    least, most = float(one.min()), float(two.max())
    count = len(faces.people.unique())
    print(f"{name:<28}{kind:<7}{count:>7}{len(faces.people):>9}{least:>8.3f}{most:>8.3f}", end="")
    print(f"{least - most:>8.3f}{area_under_curve(one, two):>9.5f}{right:>9.3f}")


if __name__ == "__main__":
    main()
