"""The tables of a finished job, small: written by the product's own code, without any model."""

from dataclasses import replace

import numpy as np

from itportrait.records import (
    AlignedRecord,
    InvertedRecord,
    RecordError,
    Status,
    StylizedRecord,
    content_id,
)
from itportrait.stages.recipe import Recipe
from tests.helpers.tables import commit_rows

DOMAINS = ("bronze", "v1.2")
VIEWS_DEG = ((-3.2, 1.4), (-25.0, 0.0), (25.0, 0.0))
LONG = "n" * 300
SHARDS = (
    ("/a/IMG_1.JPG", "/b/IMG_1.jpg", "/b/copy of IMG_1.jpg", "/b/no face.jpg"),
    ("/a/Éloïse ☃.png", f"/a/{LONG}.png", "/a/CON.png", "/a/..hidden?.webp"),
    (
        "/c/faces.tar#train/a.b.jpg",
        "/c/t.parquet#17",
        "https://x.org/p.jpg?sig=***",
        "/a/img_1.png",
    ),
)
"""URIs of photos. A copy has the content of the photo before it; the last photo of the second shard
has two faces, and the last of all the name and content of the first, but for case."""


def write_small_output(root, *, size=8, shards=SHARDS) -> str:
    """Write the tables of all stages; return the output's folder."""
    recipes = [Recipe(stage=name, output=str(root), config="") for name in ("align", "invert")]
    recipes += [
        Recipe(stage="stylize", output=str(root), config="", domain=name, version="1")
        for name in DOMAINS
    ]
    for number, photos in enumerate(shards):
        aligned = [row for name in photos for row in _aligned(name, size)]
        found: dict[str, AlignedRecord] = {}
        for row in aligned:
            if row.status is Status.OK:
                found.setdefault(row.record_id, row)  # a copy after its original has no pictures
        keys = [f"{number}-{place}" for place in range(len(aligned))]
        commit_rows(recipes[0], number, aligned, keys=keys)
        commit_rows(recipes[1], number, [_inverted(row) for row in found.values()])
        for recipe in recipes[2:]:
            styled = [_styled(row, recipe.domain, size) for row in found.values()]
            commit_rows(recipe, number, styled)
    return str(root)


def _aligned(uri, size):
    content = "IMG_1" if uri in ("/a/IMG_1.JPG", "/a/img_1.png") else uri.replace("copy of ", "")
    faces = 2 if "hidden" in uri else 1
    for face in range(faces):
        row = AlignedRecord(
            record_id=content_id(content, face), uri=uri, face_index=face, width=90, height=60
        )
        if "no face" in uri:
            error = RecordError("align", "no_face", "no face found")
            yield replace(row, status=Status.REJECTED, error=error)
        elif "copy" in uri:
            yield replace(row, duplicate_of=uri.replace("copy of ", ""))
        else:
            camera = {"yaw_rad": 0.1, "pitch_rad": -0.1, "camera": np.ones(25, np.float32)}
            yield replace(row, pixels=_picture(row.record_id, size), **camera)


def _inverted(row):
    values = {"w_plus": np.ones(6, np.float32), "psnr": 30.0, "uri": row.uri}
    return InvertedRecord(record_id=row.record_id, pixels=row.pixels, camera=row.camera, **values)


def _styled(row, domain, size):
    angles = np.float32(VIEWS_DEG)
    return StylizedRecord(
        record_id=row.record_id,
        domain=domain,
        version="1",
        uri=row.uri,
        views=len(angles),
        yaw_deg=angles[:, 0],
        pitch_deg=angles[:, 1],
        identity=0.75,
        clip_direction=0.5 if domain == "bronze" else None,
        depth_distance=0.01,
        pixels=tuple(_picture(f"{row.record_id}{domain}{view}", size) for view in range(3)),
    )


def _picture(name, size):
    rng = np.random.default_rng(list(name.encode()))
    return rng.integers(0, 255, (size, size, 3), np.uint8)
