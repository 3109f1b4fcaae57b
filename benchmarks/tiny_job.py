"""A job of many small portraits for the benchmarks of the pipeline: real stages on a tiny bundle.

The pictures are noise and the weights random: what is measured is the machinery around the models.
"""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml
from PIL import Image

from itportrait.bank.store import Bank, BankVersion
from itportrait.bundle import load_bundle
from itportrait.geometry.camera import frontal_camera
from itportrait.styles import WeightStyle
from tests.helpers.tiny_folder import write_tiny_bundle

SIDE = 48
DOMAIN = "flat"


def write_job(
    root: Path, records: int, *, shard_size: int, repeat_every: int = 0, **settings
) -> Path:
    """Write bundle, bank, table of photos (with crops and cameras) and the job's configuration.

    Args:
        root: a new folder.
        records: rows of the table.
        shard_size: records a shard.
        repeat_every: every so many records, one has the picture of an earlier one; 0: none has.
        settings: more top-level keys of the configuration.

    Returns:
        The configuration.
    """
    root.mkdir(parents=True, exist_ok=True)
    write_tiny_bundle(root / "model")
    _publish_domain(root)
    write_table(root / "photos.parquet", records, shard_size, repeat_every=repeat_every)
    config = {
        "bundle": str(root / "model"),
        "input": str(root / "photos.parquet"),
        "output": str(root / "out"),
        "bank": str(root / "bank"),
        "ingest": {"shard_size": shard_size},
        "align": {"size": 32},
        "invert": {"steps": 1, "batch_size": 64, "statistics_samples": 64},
        "domains": [DOMAIN],
        "stylize": {"views_deg": [], "batch_size": 64},
        "tracking": {"uri": "none"},
        "publish": {"portraits": 0, "review": 0},
        **settings,
    }
    path = root / "job.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def _publish_domain(root: Path) -> None:
    bundle = load_bundle(str(root / "model"))
    rng = torch.Generator().manual_seed(3)
    delta = {
        name: 0.05 * torch.randn(value.shape, generator=rng)
        for name, value in bundle.generator.named_parameters()
        if "superresolution" in name and value.ndim == 4
    }
    adapter = WeightStyle(DOMAIN, bundle.model_id, delta, {})
    spec = {"name": DOMAIN, "mode": "text", "prompt": "a red person", "source_prompt": "a person"}
    version = BankVersion(
        domain=DOMAIN, version="1", fingerprint="1", base_model_id=bundle.model_id, spec=spec
    )
    Bank(str(root / "bank")).publish(version, {"adapter.safetensors": adapter.to_bytes()})


def write_table(path: Path, records: int, group: int, *, repeat_every: int = 0) -> None:
    """Write a table of noise with crops and cameras, `group` rows a row group."""
    camera = frontal_camera()[0].tolist()
    rng = np.random.default_rng(0)
    schema = pa.schema(
        [
            ("uri", pa.string()),
            ("image", pa.binary()),
            ("crop", pa.list_(pa.float64())),
            ("camera", pa.list_(pa.float64())),
        ]
    )
    pictures: list[bytes] = []

    def picture(number: int) -> bytes:
        repeats = pictures and repeat_every and number % repeat_every == 0
        new = pictures[int(rng.integers(len(pictures)))] if repeats else _noise(rng)
        if repeat_every:
            pictures.append(new)
        return new

    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, records, group):
            numbers = range(start, min(start + group, records))
            rows = [
                {
                    "uri": f"portrait_{number:06d}.png",
                    "image": picture(number),
                    "crop": [0.0, 0.0, float(SIDE)],
                    "camera": camera,
                }
                for number in numbers
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema))


def _noise(rng: np.random.Generator) -> bytes:
    buffer = io.BytesIO()
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    coarse.resize((SIDE, SIDE)).save(buffer, "PNG")
    return buffer.getvalue()
