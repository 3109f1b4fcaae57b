"""Draw a dataset of procedural portraits into resumable shards.

On disk, one folder per dataset:

    OUT/dataset.json                    what was asked for (see `DatasetSpec`), written first
    OUT/shard-00000.safetensors         rows 0 .. shard_size - 1; each file appears atomically
    OUT/shard-00001.safetensors         ...

Row r of the dataset is `(domain, person, view)` in C order of [domains, people, views], so the
shards of a domain are contiguous and a prefix of the shards is a usable dataset. Keys of a shard,
n rows each:

    image      uint8   [n, S, S, 3]   RGB
    depth      uint16  [n, S, S]      distance along the ray, see `decode_depth`; 65535 = background
    alpha      uint8   [n, S, S]      255 = head, 0 = background
    camera     float32 [n, 25]        EG3D label (cam2world row-major, normalized intrinsics)
    latent     float32 [n, 64]        z, standard normal
    landmarks  float32 [n, 5, 2]      pixels: eye, eye, nose tip, mouth corner, mouth corner
    person     int32   [n]            index in `sample_people(..., seed=people_seed)`
    view       int16   [n]            camera; a person has the same ones in every domain
    domain     int16   [n]            index in `dataset.json` -> `domains`

and the metadata entry `captions`: JSON, n lists of strings.
"""

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save

from itportrait.config import Settings, fingerprint
from itportrait.errors import InvalidArgumentError
from itportrait.geometry.camera import look_at_camera
from itportrait.io.uris import put_bytes
from itportrait.mini.captions import captions
from itportrait.portraits import (
    ORBIT,
    PHOTO,
    build_face,
    render_portrait,
    sample_people,
)
from itportrait.portraits.stored_depth import encode_depth

YAW_STD, YAW_MAX = 0.35, 0.75
PITCH_STD, PITCH_MAX = 0.15, 0.35
"""Spread and largest value of the cameras' angles, in radians (normal, clipped). The yaw is that of
FFHQ photos, the pitch varies a little more."""


class DatasetSpec(Settings):
    """What a dataset holds. Two runs of the same specification write the same bytes."""

    people: int
    """Number of people."""
    people_seed: int
    """Seed of `sample_people`: `TRAIN_SEED` or `HELD_OUT_SEED`."""
    views_per_person: int = 3
    """Number of cameras for each person, the same ones in every domain."""
    domains: tuple[str, ...] = (PHOTO,)
    """Names of the domains, `photo` included; all rows of a domain lie together."""
    size: int = 128
    """Pixels along each side of a picture."""
    supersample: int = 2
    """Samples along each side of a pixel."""
    shard_size: int = 250
    """Number of rows in a shard; the last one may have fewer."""
    seed: int = 0
    """Seed of cameras and captions."""
    captions: int = 4
    """Number of captions for each row."""

    @property
    def rows(self) -> int:
        """Number of rows of the whole dataset."""
        return len(self.domains) * self.people * self.views_per_person

    @property
    def shards(self) -> int:
        """Number of shards of the whole dataset."""
        return -(-self.rows // self.shard_size)


def row_camera(spec: DatasetSpec, person: int, view: int) -> torch.Tensor:
    """Return the camera `[25]` of a person's view, drawn from clipped normals (`YAW_STD`, ...)."""
    rng = np.random.default_rng((spec.seed, spec.people_seed, person, view))
    yaw = float(np.clip(rng.normal(0, YAW_STD), -YAW_MAX, YAW_MAX))
    pitch = float(np.clip(rng.normal(0, PITCH_STD), -PITCH_MAX, PITCH_MAX))
    return look_at_camera(torch.tensor([yaw]), torch.tensor([pitch]), ORBIT)[0]


def draw_dataset(
    out_dir: str | Path,
    spec: DatasetSpec,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Draw the shards of a dataset that are not there yet.

    Args:
        out_dir: folder of the dataset; one that holds another specification is refused.
        spec: specification of what is drawn.
        workers: number of processes, each of one thread.
        progress: called after each shard with (shards done, shards in all).

    Raises:
        InvalidArgumentError: the folder holds a dataset of another specification.
        OutputError: a file cannot be written.
    """
    out = Path(out_dir)
    _write_header(out, spec)
    missing = [index for index in range(spec.shards) if not shard_path(out, index).exists()]
    done = spec.shards - len(missing)
    if not missing:
        return
    jobs = [(out, spec, index) for index in missing]
    # spawn: a fork of a process that has run torch may inherit locked thread pools
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(workers, len(jobs)), initializer=_one_thread) as pool:
        for _ in pool.imap_unordered(_draw_shard, jobs):
            done += 1
            if progress is not None:
                progress(done, spec.shards)


def shard_path(out: Path, index: int) -> Path:
    """Return the path of a shard."""
    return out / f"shard-{index:05d}.safetensors"


def _write_header(out: Path, spec: DatasetSpec) -> None:
    header = out / "dataset.json"
    content = {"spec": spec.model_dump(mode="json"), "fingerprint": fingerprint(spec)}
    content["domains"] = list(spec.domains)
    if header.exists():
        found = json.loads(header.read_text())["fingerprint"]
        if found != content["fingerprint"]:
            raise InvalidArgumentError(
                "out_dir",
                expected=f"empty or of specification {content['fingerprint']}",
                actual=f"{out} of specification {found}",
                remedy="draw into another folder",
            )
        return
    put_bytes(str(header), json.dumps(content, indent=1).encode())


def _one_thread() -> None:
    torch.set_num_threads(1)


def _draw_shard(job: tuple[Path, DatasetSpec, int]) -> int:
    out, spec, index = job
    first = index * spec.shard_size
    rows = range(first, min(first + spec.shard_size, spec.rows))
    people = sample_people(spec.people, spec.people_seed)
    drawn: dict[str, list] = {}
    written = []
    face, face_of = None, None
    for row in rows:
        domain, rest = divmod(row, spec.people * spec.views_per_person)
        number, view = divmod(rest, spec.views_per_person)
        person, name = people[number], spec.domains[domain]
        if face is None or face_of != (domain, number):
            face, face_of = build_face(person, name), (domain, number)
        camera = row_camera(spec, number, view)
        portrait = render_portrait(face, camera, spec.size, supersample=spec.supersample)
        rng = np.random.default_rng((spec.seed, spec.people_seed, row))
        written.append(captions(person, name, rng, spec.captions))
        values = {
            "image": portrait.image,
            "depth": encode_depth(portrait.depth, portrait.alpha),
            "alpha": np.round(portrait.alpha * 255).astype(np.uint8),
            "camera": camera.numpy(),
            "latent": person.latent,
            "landmarks": portrait.landmarks.astype(np.float32),
            "person": np.int32(number),
            "view": np.int16(view),
            "domain": np.int16(domain),
        }
        for key, value in values.items():
            drawn.setdefault(key, []).append(value)
    # np.stack keeps the memory order of its inputs, and safetensors writes memory as it lies.
    arrays = {key: np.ascontiguousarray(np.stack(values)) for key, values in drawn.items()}
    data = save(arrays, metadata={"captions": json.dumps(written)})
    put_bytes(str(shard_path(out, index)), data)
    return index
