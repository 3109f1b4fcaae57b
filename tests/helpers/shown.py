"""Small drawn inputs of the gallery, the report and the review page."""

from dataclasses import replace

import numpy as np

from itportrait.pages import GalleryDomain, GalleryPortrait, ReviewCase, ReviewGroup
from itportrait.pages.reel import reel_views
from itportrait.records import AlignedRecord, InvertedRecord, RecordError, Status, StylizedRecord

DOMAINS = ("bronze", "a_domain_with_a_name_that_is_longer_than_most")


def drawn(side=64, shift=0):
    """Return a disk before a gradient, moved to the right by `shift` pixels."""
    y, x = np.mgrid[:side, :side]
    pixels = np.stack([x * 255 // side, y * 255 // side, np.full_like(x, 90)], -1)
    pixels[(x - side // 2 - shift) ** 2 + (y - side // 2) ** 2 < (side // 4) ** 2] = (230, 190, 160)
    return pixels.astype(np.uint8)


def gallery_portraits(name):
    """Return a portrait in two domains, a stranger to the models, and one without a face."""
    aligned = AlignedRecord(record_id="a" * 16, uri="x", pixels=drawn(), yaw_rad=0.3)
    inverted = InvertedRecord(
        record_id="a" * 16, psnr=25.31, identity=0.91, tuning="tuned", pixels=drawn()
    )
    styled = {
        domain: StylizedRecord(
            record_id="a" * 16,
            domain=domain,
            version="1",
            identity=0.66,
            clip_direction=0.41,
            clip_image=0.8,
            depth_distance=0.01,
            depth_variance=0.9,
            pixels=tuple(drawn(shift=shift) for shift in (0, -8, 0, 8)),
        )
        for domain in DOMAINS
    }
    frames = np.stack([drawn(shift=shift) for shift in range(-12, 13, 2)])
    good = GalleryPortrait(
        name,
        aligned,
        drawn(),
        inverted,
        styled,
        turns={DOMAINS[0]: reel_views(frames)},
        ways={DOMAINS[0]: reel_views([drawn(), *frames[:5]])},
        films={DOMAINS[0]: "turntable_bronze.mp4"},
    )
    failed = RecordError("stylize", "NonFiniteRenderError", f"values of {name} are not finite")
    lost = replace(styled[DOMAINS[0]], status=Status.FAILED, error=failed, pixels=())
    error = RecordError("align", "no_face", f"no face found in s3://bucket/folder/{name}")
    rejected = replace(aligned, status=Status.REJECTED, error=error, pixels=None)
    return [
        good,
        replace(good, name="b.png", unlike=0.52, stylized={DOMAINS[0]: lost}),
        GalleryPortrait(f"without_a_face_{name}", rejected, drawn()),
    ]


def gallery_domains():
    """Return two domains, of which the second has everything that a domain can have."""
    metrics = {"clip_direction": 0.4, "identity": 0.7, "depth_variance": 0.95, "kid_ratio": 0.1}
    return [
        GalleryDomain(DOMAINS[0], prompt="a bronze statue", metrics=metrics),
        GalleryDomain(
            DOMAINS[1],
            prompt="Photorealistic_" * 6,
            reference=drawn(),
            metrics=metrics,
            warnings=["the style is weak: CLIP direction is 0.01 and should be at least 0.05"],
        ),
    ]


def review_groups(name):
    """Return a reason that turned few away, one that turned many away, and one that none."""
    bad = ReviewCase(name, Status.REJECTED, "12 px", drawn())
    broken = ReviewCase(name, Status.FAILED, f"cannot decode s3://bucket/{name}")
    near = [ReviewCase(f"{position}.jpg", Status.OK, "31 px", drawn()) for position in range(6)]
    return [
        ReviewGroup("align: too_small", 1, "align.min_face_px is 20", [bad, *near]),
        ReviewGroup("align: blurred", 0, "align.min_sharpness is 0", near),
        ReviewGroup("align: decode", 40, "", [broken] * 3),
    ]


def run_of(name):
    """Return the content of a run.json with every section of the report."""
    costs = {"cpu_seconds": 11.0, "gpu_seconds": 0.0}
    costs |= {"cpu_seconds_per_1000": 1000.0, "gpu_seconds_per_1000": 0.0}
    stage = {"inputs": 1_000_011, "ok": 1_000_000, "rejected": 10, "failed": 1, "seconds": 5.5}
    stage |= {"computed": 11, "shards": 3, "shards_kept": 0, "reasons": {"no_face": 1}, **costs}
    means = {"identity": 0.6543, "clip_direction": 0.4, "depth_variance": 0.95}
    names = [f"stylize {domain}" for domain in DOMAINS]
    made = {"portraits": 9, "files": 40, "failed": 2, "reasons": {"EmptyMeshError": 2}}
    return {
        "status": "finished",
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 61.2,
        "itportrait": "0.1.0",
        "models": {"id": "mini-1"},
        "inputs": 1_000_011,
        "counts": {"ok": 1_000_000, "rejected": 10, "failed": 1},
        "config": {"input": f"s3://bucket/{name}", "output": "out"},
        "stages": {"align": stage, **{name: stage | {"means": means} for name in names}},
        "skipped": {"container": {"count": 1, "names": [f"/data/photos/{name}"]}},
        "cost": costs,
        "domains": {
            domain: {"version": "3bd619116d543342", "error": None, "warnings": ["it is weak"]}
            for domain in DOMAINS
        },
        "deliverables": {DOMAINS[0]: made | costs},
    }
