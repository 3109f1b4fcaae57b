"""Stylized portraits, tuned against untuned: against the truth of drawn people, and on pictures.

    python workflows/build_style_bank.py --config configs/bank.yaml --bank runs/bank
    python benchmarks/bm_stylized_truth.py --bank runs/bank --count 32 --keep runs/stylized_truth
    python benchmarks/bm_stylized_truth.py --bank runs/bank --photos my/photos --sheet sheet.png

People are drawn by the seed of held-out ones and inverted by `pti`. Each is then rendered in every
domain of the bank from its own camera: by its code alone, and with its difference of weights. For
drawn people, the perceptual distance to their true stylization is measured; the difference between
the two has an interval by bootstrap over people. For photos, which are aligned first, it is the
identity cosine to the input and the direction of the domain's prompt. Inversions are kept in the
folder `--keep`, so that a second run is short.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from itportrait import metrics
from itportrait.align import Aligner
from itportrait.bank.store import Bank
from itportrait.bundle import Bundle, load_bundle
from itportrait.config import fingerprint
from itportrait.evaluate import draw_people, held_out, render_own, true_stylizations
from itportrait.image import encode, resize, to_tensor, to_uint8
from itportrait.ingest import list_sources
from itportrait.invert import InvertConfig, Inverter
from itportrait.io import parquet
from itportrait.jobs.stylize.config import JobConfig, load_job
from itportrait.learning.bootstrap import bootstrap_mean
from itportrait.pages import contact_sheet
from itportrait.portraits.domains import get_domain
from itportrait.records import AlignedRecord, InvertedRecord, Status
from itportrait.stages.registry import stage_named
from itportrait.styles import Codes, PreparedGenerator, PreparedStyle

BAR_IDENTITY, BAR_DIRECTION = 0.05, -0.05
"""Least gain of identity on photos by tuning, and least change of the direction."""


@dataclass(frozen=True)
class Look:
    """A domain of the bank: how it is rendered, and the words that it is measured by."""

    name: str
    style: PreparedStyle
    prompt: str
    source_prompt: str


def main() -> None:
    """Run the benchmark of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--bank", required=True, help="with drawn domains, as of configs/bank.yaml")
    parser.add_argument("--config", default="configs/demo.yaml", help="how its photos are framed")
    parser.add_argument("--count", type=int, default=0, help="drawn people")
    parser.add_argument("--photos", nargs="*", default=[], help="folders, globs or files")
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of invert")
    parser.add_argument("--keep", help="folder for inversions, to be read again")
    parser.add_argument("--sheet", help="write input, untuned and tuned portraits in each domain")
    arguments = parser.parse_args()
    asked = ("method=pti", "tune=always", "steps=100", "batch_size=8", *arguments.set)
    job = load_job(arguments.config, [f"invert.{item}" for item in asked], required=())
    bundle = load_bundle(job.bundle)
    looks = read_looks(Bank(arguments.bank), bundle, arguments.strength)
    lines: list[tuple[str, list]] = []
    if arguments.count:
        portraits = draw_people(arguments.count, bundle.generator.image_resolution)
        rows = inverted("drawn", portraits, job.invert, bundle, arguments.keep)
        lines += against_truth(bundle, looks, portraits, rows)
    if arguments.photos:
        portraits = align(arguments.photos, job, bundle)
        rows = inverted("photos", portraits, job.invert, bundle, arguments.keep)
        lines += on_photos(bundle, looks, portraits, rows)
    if arguments.sheet:
        kinds = [f"{look.name}{kind}" for look in looks for kind in ("", ", tuned")]
        names, pictures = [name for name, _ in lines], [line for _, line in lines]
        columns = ["input", "untuned", "tuned", *kinds]
        sheet = contact_sheet(pictures, columns=columns, names=names)
        Path(arguments.sheet).write_bytes(encode(sheet))


def read_looks(bank: Bank, bundle: Bundle, strength: float) -> list[Look]:
    """Return the bank's champions; domains by a picture alone are measured by their drawn name."""
    looks = []
    for name in bank.domains():
        version = bank.champion(name)
        style = version.style()
        style.check_base(bundle.model_id)
        prompt = version.spec.get("prompt") or get_domain(name).phrases[0].format("a person")
        source = version.spec.get("source_prompt", "a photo of a person")
        prepared = style.prepare(bundle.generator, strength)
        looks.append(Look(name, prepared, prompt, source))
    return looks


def align(photos: Sequence[str], job: JobConfig, bundle: Bundle) -> list[AlignedRecord]:
    """Return the faces that are found in photos."""
    aligner = Aligner.of_bundle(job.align, bundle)
    rows = [row for source in list_sources(photos) for row in aligner.align(source)]
    for row in rows:
        if row.status is not Status.OK:
            print(f"{row.uri}: {row.error.message if row.error else row.status}")
    return [row for row in rows if row.status is Status.OK]


def inverted(
    name: str,
    portraits: list[AlignedRecord],
    config: InvertConfig,
    bundle: Bundle,
    keep: str | None,
) -> list[InvertedRecord]:
    """Return the inverted portraits: those that are kept from an earlier run, or new ones."""
    pixels = [portrait.pixels for portrait in portraits]
    version = stage_named("invert").version_under(config.model_dump_json())
    shown = [p is not None and p.tobytes() for p in pixels]
    key = fingerprint(bundle.model_id, config, version, shown)
    files = keep and {part: Path(keep) / f"{name}-{part}.parquet" for part in ("rows", "weights")}
    if files and files["rows"].exists():
        found = files["weights"]
        blobs = {"weights": parquet.read_blobs(found.read_bytes())} if found.exists() else None
        data = files["rows"].read_bytes()
        rows = parquet.decode_records(data, InvertedRecord, blobs=blobs, keys={key})
        if len(rows) == len(portraits):
            return [row.record for row in rows if isinstance(row.record, InvertedRecord)]
    records = Inverter(config, bundle).invert(portraits)
    if files:
        rows = [parquet.Row(key, record) for record in records]
        files["rows"].parent.mkdir(parents=True, exist_ok=True)
        schema = parquet.record_schema(InvertedRecord)
        files["rows"].write_bytes(parquet.encode_records(rows, schema))
        if (weights := parquet.encode_blobs(rows, "weights")) is not None:
            files["weights"].write_bytes(weights)
    return records


class Pictures:
    """Portraits as they are rendered by their codes alone, and with their weights."""

    def __init__(self, bundle: Bundle, looks: list[Look], rows: list[InvertedRecord]) -> None:
        tuned = Codes.of(rows, bundle.generator)
        plain = replace(tuned, deltas=None)
        base = PreparedGenerator(bundle.generator)
        self.base = {kind: render_own(base, codes) for kind, codes in enumerate((plain, tuned))}
        self.styled = {
            (look.name, kind): render_own(look.style, codes)
            for look in looks
            for kind, codes in enumerate((plain, tuned))
        }

    def line(self, looks: list[Look], row: int, first: np.ndarray | None) -> list:
        """Return the pictures of a portrait: input, both inversions, and both in each domain."""
        images = [self.base[0], self.base[1]]
        images += [self.styled[look.name, kind] for look in looks for kind in (0, 1)]
        return [first, *(to_uint8(image[row : row + 1])[0] for image in images)]


def against_truth(
    bundle: Bundle, looks: list[Look], portraits: list[AlignedRecord], rows: list[InvertedRecord]
) -> list[tuple[str, list]]:
    """Print distances to true stylizations; return pictures: a line a portrait, and its truth."""
    pictures = Pictures(bundle, looks, rows)
    people = held_out(len(portraits))
    cameras = torch.stack([torch.as_tensor(portrait.camera) for portrait in portraits])
    changes, truths = [], {}
    size = bundle.generator.image_resolution
    print(f"{len(rows)} drawn people: perceptual distance to their true stylization")
    for look in looks:
        images = true_stylizations(look.name, people, cameras, size)
        truths[look.name] = to_uint8(images)
        plain, tuned = (
            bundle.perceptual.distance(pictures.styled[look.name, kind], images).numpy()
            for kind in (0, 1)
        )
        changes.append(tuned - plain)
        told(look.name, plain, tuned, tuned - plain)
    mean = np.mean(changes, axis=0)
    found = bootstrap_mean(mean)
    below = found.high is not None and found.high < 0
    verdict = "" if below else " MISSED: the interval must be below 0"
    print(f"  mean of {len(looks)} domains: {found:+.4f}{verdict}")
    lines = []
    for row, portrait in enumerate(portraits):
        lines.append((portrait.uri, pictures.line(looks, row, portrait.pixels)))
        true = [truths[look.name][row] for look in looks]
        lines.append(("truth", [None, None, None, *(p for pair in zip(true, true) for p in pair)]))
    return lines


def on_photos(
    bundle: Bundle, looks: list[Look], portraits: list[AlignedRecord], rows: list[InvertedRecord]
) -> list[tuple[str, list]]:
    """Print identity and direction of photos in the domains; return pictures, a line a portrait."""
    pictures = Pictures(bundle, looks, rows)
    size = bundle.generator.image_resolution
    photos = torch.stack([to_tensor(p.pixels) for p in portraits if p.pixels is not None])
    photos = resize(photos, size)
    changes: dict[str, list[np.ndarray]] = {"identity": [], "clip_direction": []}
    print(f"{len(rows)} photos: identity cosine to the input, direction of the prompt")
    for look in looks:
        both: dict[str, list[np.ndarray]] = {name: [] for name in changes}
        for kind in (0, 1):
            image = pictures.styled[look.name, kind]
            same = metrics.identity(image, photos, bundle.identity)
            way = metrics.clip_direction(
                image,
                pictures.base[kind],
                bundle.clips,
                prompt=look.prompt,
                source_prompt=look.source_prompt,
            )
            both["identity"].append(same.numpy())
            both["clip_direction"].append(way.numpy())
        for name, (plain, tuned) in both.items():
            changes[name].append(tuned - plain)
            told(f"{look.name}, {name}", plain, tuned, tuned - plain)
    for name, bar in (("identity", BAR_IDENTITY), ("clip_direction", BAR_DIRECTION)):
        value = float(np.mean(changes[name]))
        missed = "" if value >= bar else " MISSED"
        print(f"  {name}, mean of {len(looks)} domains: {value:+.4f} (bar {bar:+.2f}){missed}")
    return [
        (Path(p.uri).stem, pictures.line(looks, row, p.pixels)) for row, p in enumerate(portraits)
    ]


def told(name: str, plain: np.ndarray, tuned: np.ndarray, change: np.ndarray) -> None:
    """Print a line: means without and with weights, their difference and its interval."""
    print(f"  {name:24s} {plain.mean():.4f} -> {tuned.mean():.4f}  {bootstrap_mean(change):+.4f}")


if __name__ == "__main__":
    main()
